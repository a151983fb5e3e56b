// Runs a graph model with TensorFlow.js on its CPU backend.
// Arguments: TensorFlow.js's bundle, a folder. The folder has request.json:
// {"model": file, "weights": file, "shape": [...], "inputs": [files], "outputs": [nodes]}.
// Inputs are raw float32. For input I and output O, both counted from 0, it writes I-O.bin there,
// and all shapes into shapes.json.
const fs = require("fs");
const path = require("path");

async function main(bundle, folder) {
  const tf = require(path.resolve(bundle));
  const inside = (name) => path.join(folder, name);
  const request = JSON.parse(fs.readFileSync(inside("request.json")));
  await tf.setBackend("cpu");
  const content = JSON.parse(fs.readFileSync(request.model));
  const weights = fs.readFileSync(request.weights);
  const model = await tf.loadGraphModel({
    load: async () => ({
      modelTopology: content.modelTopology,
      weightSpecs: content.weightsManifest.flatMap((group) => group.weights),
      weightData: new Uint8Array(weights).buffer,
    }),
  });
  const shapes = [];
  request.inputs.forEach((file, number) => {
    const raw = new Uint8Array(fs.readFileSync(inside(file))).buffer;
    const picture = tf.tensor(new Float32Array(raw), request.shape);
    const found = model.execute(picture, request.outputs);
    shapes.push(
      [found].flat().map((tensor, output) => {
        fs.writeFileSync(inside(`${number}-${output}.bin`), Buffer.from(tensor.dataSync().buffer));
        return tensor.shape;
      }),
    );
  });
  fs.writeFileSync(inside("shapes.json"), JSON.stringify(shapes));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
