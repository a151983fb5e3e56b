(() => {
  const site = document.documentElement.dataset.site || new URL(".", location.href).href;
  for (const place of document.querySelectorAll(".command var")) place.textContent = site;
  document.getElementById("unknown")?.remove();

  const radios = [...document.querySelectorAll(".choice input")];
  const pick = () => {
    const named = location.hash.slice(1).split("-");
    for (const radio of radios) if (named.includes(radio.value)) radio.checked = true;
  };
  const keep = () => {
    const picked = radios.filter((radio) => radio.checked).map((radio) => radio.value);
    history.replaceState(null, "", "#" + picked.join("-"));
  };
  for (const radio of radios) radio.addEventListener("change", keep);
  addEventListener("hashchange", pick);
  pick();

  const said = document.getElementById("said");
  if (!navigator.clipboard) return;
  for (const block of document.querySelectorAll(".commands")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy: " + block.dataset.what);
    button.addEventListener("click", async () => {
      const lines = [...block.querySelectorAll(".command")].map((line) => line.textContent);
      await navigator.clipboard.writeText(lines.join("\n") + "\n");
      button.textContent = "Copied";
      said.textContent = "Copied: " + block.dataset.what;
      setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
    });
    block.append(button);
  }
})();
