#include "weight_cache.h"

#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "cpuinfo.h"
#include "farmhash.h"
#include "include/xnnpack.h"
#include "tensorflow/lite/allocation.h"
#include "tensorflow/lite/core/subgraph.h"
#include "xnnpack.h"

namespace tflite_wheelhouse {
namespace {

struct Digest {
  uint64_t low, high;

  bool operator==(const Digest& other) const { return low == other.low && high == other.high; }
  bool operator!=(const Digest& other) const { return !(*this == other); }
  bool operator<(const Digest& other) const {
    return low != other.low ? low < other.low : high < other.high;
  }
};

// Eight generators that multiply with carry, each of which takes up every eighth word: one changed
// word always changes a generator's state, and only chance brings two different states together. It
// takes a sixth of the instructions of farmhash, which makes a digest of the states.
Digest DigestOf(const void* data, size_t size) {
  using Pair = uint64_t __attribute__((vector_size(16)));
  constexpr size_t kPairs = 4;
  const uint64_t multiplier = 4294883355;
  struct {
    Pair pairs[kPairs] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
    uint64_t size[2] = {};
  } state;
  state.size[0] = size;
  const auto absorb = [&](const char* from) {
    Pair words[kPairs];
    std::memcpy(words, from, sizeof(words));
    for (size_t index = 0; index < kPairs; ++index) {
      const Pair mixed = state.pairs[index] ^ words[index];
      state.pairs[index] = (mixed & UINT32_MAX) * multiplier + (mixed >> 32);
    }
  };
  constexpr size_t kStep = sizeof(state.pairs);
  const char* next = static_cast<const char*>(data);
  for (; size >= kStep; next += kStep, size -= kStep) absorb(next);
  char rest[kStep] = {};
  if (size) std::memcpy(rest, next, size);
  absorb(rest);
  const auto digest = util::Fingerprint128(reinterpret_cast<const char*>(&state), sizeof(state));
  return {util::Uint128Low64(digest), util::Uint128High64(digest)};
}

template <typename Value>
Digest DigestOf(const std::vector<Value>& values) {
  return DigestOf(values.data(), values.size() * sizeof(Value));
}

// ---- What weights belong to ----------------------------------------------------------------

const tflite::Allocation* ModelOf(TfLiteContext* context) {
  for (const auto& subgraph : *static_cast<tflite::Subgraph*>(context->impl_)->GetSubgraphs()) {
    for (size_t index = 0; index < subgraph->tensors_size(); ++index) {
      const TfLiteTensor& tensor = *subgraph->tensor(static_cast<int>(index));
      if (tensor.allocation_type == kTfLiteMmapRo && tensor.allocation) {
        return static_cast<const tflite::Allocation*>(tensor.allocation);
      }
    }
  }
  return nullptr;
}

// Of this build, TFLITE_CORE, and the CPU, by which XNNPACK chooses how to pack.
Digest MachineDigest() {
  std::string text = TFLITE_CORE;
  if (cpuinfo_initialize()) {
    text.append(reinterpret_cast<const char*>(&cpuinfo_isa), sizeof(cpuinfo_isa));
    for (uint32_t index = 0; index < cpuinfo_get_uarchs_count(); ++index) {
      text += " " + std::to_string(cpuinfo_get_uarch(index)->uarch);
    }
    for (uint32_t index = 0; index < cpuinfo_get_l1d_caches_count(); ++index) {
      text += " " + std::to_string(cpuinfo_get_l1d_cache(index)->size);
    }
    for (uint32_t index = 0; index < cpuinfo_get_l2_caches_count(); ++index) {
      text += " " + std::to_string(cpuinfo_get_l2_cache(index)->size);
    }
  }
  return DigestOf(text.data(), text.size());
}

struct Owner {
  Digest model, machine;

  bool operator<(const Owner& other) const {
    return model != other.model ? model < other.model : machine < other.machine;
  }
};

// ---- Weights -------------------------------------------------------------------------------

constexpr size_t kAlignment = 128;   // the greatest that XNNPACK asks for
constexpr size_t kReadBeyond = 128;  // how far its kernels may read beyond weights

struct Memory {
  Memory(void* start, size_t size, bool mapped) : start(start), size(size), mapped(mapped) {}
  Memory(const Memory&) = delete;
  ~Memory() { mapped ? static_cast<void>(munmap(start, size)) : free(start); }

  void* const start;
  const size_t size;
  const bool mapped;
};

struct Weights {
  const char* data;
  size_t size;
  Digest digest;
  std::shared_ptr<const Memory> memory;
};

using WeightsPointer = std::shared_ptr<const Weights>;

bool Equal(const Weights& one, const Weights& other) {
  return one.size == other.size && std::memcmp(one.data, other.data, one.size) == 0;
}

// Weights in memory that interpreters of one model share for as long as one of them exists.
class Store {
 public:
  static std::shared_ptr<Store> For(const Owner& owner) {
    static auto& mutex = *new std::mutex;
    static auto& stores = *new std::map<Owner, std::weak_ptr<Store>>;
    const std::lock_guard<std::mutex> lock(mutex);
    auto& known = stores[owner];
    auto store = known.lock();
    if (!store) known = store = std::make_shared<Store>();
    return store;
  }

  WeightsPointer Find(const Digest& request) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = requests_.find(request);
    return found == requests_.end() ? nullptr : found->second.lock();
  }

  // Notes the weights of a request; returns equal ones if there are any.
  WeightsPointer Add(const Digest& request, WeightsPointer weights) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& known = contents_[weights->digest];
    const WeightsPointer earlier = known.lock();
    if (earlier == weights || (earlier && Equal(*earlier, *weights))) {
      weights = earlier;
    } else {
      known = weights;
    }
    requests_[request] = weights;
    return weights;
  }

 private:
  std::mutex mutex_;
  std::map<Digest, std::weak_ptr<const Weights>> requests_, contents_;
};

// ---- Files ---------------------------------------------------------------------------------

constexpr char kMagic[32] = "tflite_runtime packed weights 1";

struct Header {
  char magic[sizeof(kMagic)];
  Owner owner;
  uint64_t size;  // of the file
  uint64_t weights, requests;
  Digest index;  // of all that follows up to the first weights
};

struct WeightsEntry {
  uint64_t offset, size;
  Digest digest;
};

struct RequestEntry {
  Digest request;
  uint64_t weights;
};

using Requests = std::map<Digest, WeightsPointer>;

uint64_t Aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

// What is wrong with a file, and whether another may take its place.
struct Fault {
  std::string text;
  bool replace = true;
};

// Whether a file with these bytes is one of ours, also a damaged one, or has nothing to lose. The
// file of something else, as a model, is not overwritten.
bool IsOurs(const char* start, size_t size) {
  size_t equal = 0;
  for (size_t place = 0; place < std::min(size, sizeof(kMagic)); ++place) {
    equal += start[place] == kMagic[place];
  }
  return equal * 2 >= sizeof(kMagic) || std::count(start, start + size, 0) == ptrdiff_t(size);
}

// Throws Fault.
Requests Checked(const std::shared_ptr<const Memory>& memory, const Owner& owner) {
  const char* const start = static_cast<const char*>(memory->start);
  const uint64_t size = memory->size;
  if (!IsOurs(start, size)) throw Fault{"it is no file of packed weights", false};
  Header header;
  if (size < sizeof(header)) throw Fault{"it is truncated"};
  std::memcpy(&header, start, sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) throw Fault{"it is damaged"};
  if (header.owner.model != owner.model) throw Fault{"it is of another model"};
  if (header.owner.machine != owner.machine) {
    throw Fault{"it is of another tflite_runtime or another CPU"};
  }
  if (header.size > size) throw Fault{"it is truncated"};
  const Fault damaged{"it is damaged"};
  const uint64_t most = size / sizeof(WeightsEntry);
  if (header.size != size || header.weights > most || header.requests > most) throw damaged;
  const size_t weights_size = header.weights * sizeof(WeightsEntry);
  const size_t index_size = weights_size + header.requests * sizeof(RequestEntry);
  if (index_size > size - sizeof(header)) throw damaged;
  const char* const index = start + sizeof(header);
  if (DigestOf(index, index_size) != header.index) throw damaged;
  std::vector<WeightsEntry> entries(header.weights);
  std::memcpy(entries.data(), index, weights_size);
  std::vector<RequestEntry> requests(header.requests);
  std::memcpy(requests.data(), index + weights_size, index_size - weights_size);
  std::vector<WeightsPointer> weights;
  for (const WeightsEntry& entry : entries) {
    if (entry.offset > size || entry.size > size - entry.offset) throw damaged;
    const char* const data = start + entry.offset;
    if (DigestOf(data, entry.size) != entry.digest) throw damaged;
    weights.push_back(std::make_shared<const Weights>(
        Weights{data, static_cast<size_t>(entry.size), entry.digest, memory}));
  }
  Requests found;
  for (const RequestEntry& entry : requests) {
    if (entry.weights >= weights.size()) throw damaged;
    found[entry.request] = weights[entry.weights];
  }
  return found;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  operator int() const { return number_; }

 private:
  const int number_;
};

std::string ErrorText() { return std::strerror(errno); }

Fault Unreadable() { return {"it cannot be read: " + ErrorText(), false}; }

// What a file has; nothing if there is none. Throws Fault.
Requests Load(const std::string& path, const Owner& owner) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file < 0 && errno == ENOENT) return {};
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) throw Unreadable();
  if (!S_ISREG(status.st_mode)) throw Fault{"it is no regular file", false};
  if (status.st_size == 0) throw Fault{"it is truncated"};
  const auto size = static_cast<size_t>(status.st_size);
  void* const start = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  if (start == MAP_FAILED) throw Unreadable();
  return Checked(std::make_shared<const Memory>(start, size, true), owner);
}

// Writes at the end of a file. Returns whether all was written; errno says why not.
bool Write(int file, const void* data, size_t size) {
  for (const char* next = static_cast<const char*>(data); size != 0;) {
    const ssize_t count = write(file, next, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    next += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool WriteAll(int file, const Owner& owner, const Requests& requests) {
  std::vector<const Weights*> written;
  std::map<const Weights*, uint64_t> numbers;
  std::vector<RequestEntry> request_entries;
  for (const auto& request : requests) {
    const Weights* const weights = request.second.get();
    if (numbers.emplace(weights, written.size()).second) written.push_back(weights);
    request_entries.push_back({request.first, numbers[weights]});
  }
  uint64_t end = sizeof(Header) + written.size() * sizeof(WeightsEntry) +
                 request_entries.size() * sizeof(RequestEntry);
  std::vector<WeightsEntry> entries;
  for (const Weights* weights : written) {
    const uint64_t offset = Aligned(end);
    entries.push_back({offset, weights->size, weights->digest});
    end = offset + weights->size;
  }
  std::string index(reinterpret_cast<const char*>(entries.data()),
                    entries.size() * sizeof(WeightsEntry));
  index.append(reinterpret_cast<const char*>(request_entries.data()),
               request_entries.size() * sizeof(RequestEntry));
  Header header{{},
                owner,
                end + kReadBeyond,
                entries.size(),
                request_entries.size(),
                DigestOf(index.data(), index.size())};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  const char padding[kReadBeyond] = {};
  uint64_t place = sizeof(header) + index.size();
  if (!Write(file, &header, sizeof(header)) || !Write(file, index.data(), index.size())) {
    return false;
  }
  for (size_t number = 0; number < written.size(); ++number) {
    if (!Write(file, padding, entries[number].offset - place) ||
        !Write(file, written[number]->data, written[number]->size)) {
      return false;
    }
    place = entries[number].offset + entries[number].size;
  }
  return Write(file, padding, kReadBeyond);
}

// Replaces a file by one with these requests. Returns why that failed; nothing if it did not.
std::string Replace(const std::string& path, const Owner& owner, const Requests& requests) {
  static std::atomic<unsigned> count{0};
  const std::string prefix = path.substr(0, path.rfind('/') + 1) + "tflite_runtime-" +
                             std::to_string(getpid()) + "-";
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  std::string beside;
  int file;
  // A process that had this number, in a container the same one at each start, may have left one.
  do {
    beside = prefix + std::to_string(count++) + ".tmp";
    // Read-only, as others have it in their memory.
    file = open(beside.c_str(), flags, 0444);
  } while (file < 0 && errno == EEXIST);
  if (file < 0) return ErrorText();
  // A full disk may show only when its content is there.
  const bool written = WriteAll(file, owner, requests) && fsync(file) == 0;
  std::string failure = written ? "" : ErrorText();
  if (close(file) != 0 && failure.empty()) failure = ErrorText();
  if (failure.empty() && rename(beside.c_str(), path.c_str()) != 0) failure = ErrorText();
  if (!failure.empty()) unlink(beside.c_str());
  return failure;
}

std::string Hexadecimal(const Digest& digest) {
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx",
                static_cast<unsigned long long>(digest.low),
                static_cast<unsigned long long>(digest.high));
  return text;
}

// ---- The interface that XNNPACK calls ------------------------------------------------------

class Cache : public WeightCache {
 public:
  Cache(const tflite::Allocation& model, const WeightCacheOptions& options)
      : model_(static_cast<const char*>(model.base())),
        model_size_(model.bytes()),
        owner_{DigestOf(model.base(), model.bytes()), MachineDigest()},
        path_(options.file),
        store_(options.shared ? Store::For(owner_) : std::make_shared<Store>()) {
    if (path_.empty() && !options.folder.empty()) {
      path_ = options.folder + "/" + Hexadecimal(DigestOf(&owner_, sizeof(owner_))) + ".weights";
    }
    provider_.context = this;
    provider_.look_up = [](void* cache, const Key* key) { return Of(cache)->LookUp(*key); };
    provider_.reserve_space = [](void* cache, size_t size) { return Of(cache)->Reserve(size); };
    provider_.look_up_or_insert = [](void* cache, const Key* key, void* data, size_t size) {
      return Of(cache)->Insert(*key, data, size);
    };
    provider_.is_finalized = [](void*) { return true; };
    provider_.offset_to_addr = [](void*, size_t offset) {
      return reinterpret_cast<void*>(offset);
    };
    provider_.delete_cache = [](void*) { return xnn_status_success; };
#if TFLITE_MINOR >= 22
    provider_.alias_data = [](void*, void*, void*) { return xnn_status_success; };
#endif
    if (path_.empty()) return;
    try {
      requests_ = Load(path_, owner_);
      for (auto& request : requests_) {
        request.second = store_->Add(request.first, request.second);
        saved_.insert(request.second.get());
      }
    } catch (const Fault& fault) {
      fault_ = fault;
    }
  }

  TfLiteXNNPackDelegateWeightsCache* provider() override {
    return reinterpret_cast<TfLiteXNNPackDelegateWeightsCache*>(&provider_);
  }

  void Begin(TfLiteContext* context, const TfLiteIntArray* all_nodes, const TfLiteIntArray* nodes,
             bool fp16) override {
    auto& subgraph = *static_cast<tflite::Subgraph*>(context->impl_);
    std::vector<int> facts = {fp16, subgraph.GetSubgraphIndex()};
    for (const TfLiteIntArray* list : {all_nodes, nodes}) Append(facts, list);
    for (size_t index = 0; index < subgraph.tensors_size(); ++index) {
      const TfLiteTensor& tensor = *subgraph.tensor(static_cast<int>(index));
      facts.insert(facts.end(), {tensor.type, tensor.allocation_type});
      Append(facts, tensor.dims);
    }
    part_ = DigestOf(facts);
    asked_ = 0;
    looked_up_ = nullptr;
  }

  void Forget() override {
    for (size_t place = finished_; place < added_.size(); ++place) requests_.erase(added_[place]);
    added_.resize(finished_);
  }

  void Finish(bool last) override {
    finished_ = added_.size();
    if (last && !path_.empty()) Save();
  }

 private:
  using Key = xnn_weights_cache_look_up_key;

  struct LookedUp {
    Key key;
    size_t found;  // or SIZE_MAX
  };

  void Save() {
    std::string failure;
    // Equal weights for another shape are packed again, rather than the file written again.
    const bool missing = std::any_of(added_.begin(), added_.end(), [this](const Digest& request) {
      return saved_.count(requests_.at(request).get()) == 0;
    });
    const bool save = missing && fault_.replace;
    if (save) failure = Replace(path_, owner_, requests_);
    if (save && failure.empty()) {
      for (const auto& request : requests_) saved_.insert(request.second.get());
    }
    added_.clear();
    finished_ = 0;
    std::string warning;
    if (!fault_.text.empty()) {
      warning = "The file of packed weights '" + path_ + "' is not used: " + fault_.text + ".";
      if (!failure.empty()) warning += " It cannot be replaced: " + failure + ".";
      if (save && failure.empty()) warning += " It was replaced.";
    } else if (!failure.empty()) {
      warning = "Packed weights cannot be written to '" + path_ + "': " + failure + ".";
    }
    if (!warning.empty()) WarnOnce(warning);
    fault_.text.clear();
  }

  static Cache* Of(void* cache) { return static_cast<Cache*>(cache); }

  static void Append(std::vector<int>& facts, const TfLiteIntArray* list) {
    const int size = list ? list->size : -1;
    facts.push_back(size);
    if (list) facts.insert(facts.end(), list->data, list->data + size);
  }

  // Where in the model something lies; a constant for what does not lie there.
  uint64_t PlaceOf(const void* pointer) const {
    const auto place = reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(model_);
    return !pointer ? UINT64_MAX : place < model_size_ ? place : UINT64_MAX - 1;
  }

  Digest RequestOf(const Key& key) const {
    uint64_t fingerprint = 0;
#if TFLITE_MINOR >= 22
    fingerprint = key.fingerprint_id;
#endif
    const uint64_t facts[] = {part_.low,   part_.high,         asked_,           key.seed,
                              fingerprint, PlaceOf(key.kernel), PlaceOf(key.bias)};
    return DigestOf(facts, sizeof(facts));
  }

  static bool Same(const Key& one, const Key& other) {
    return one.seed == other.seed && one.kernel == other.kernel && one.bias == other.bias;
  }

  size_t Use(const Digest& request, const WeightsPointer& weights) {
    WeightsPointer& known = requests_[request];
    if (known) replaced_.push_back(known);
    known = weights;
    added_.push_back(request);
    return reinterpret_cast<size_t>(weights->data);
  }

  size_t LookUp(const Key& key) {
    ++asked_;
    looked_up_.reset(new LookedUp{key, SIZE_MAX});
    const Digest request = RequestOf(key);
    const auto known = requests_.find(request);
    if (known != requests_.end()) {
      looked_up_->found = reinterpret_cast<size_t>(known->second->data);
    } else if (const WeightsPointer weights = store_->Find(request)) {
      looked_up_->found = Use(request, weights);
    }
    return looked_up_->found;
  }

  void* Reserve(size_t size) {
    void* start = nullptr;
    if (posix_memalign(&start, kAlignment, size + kReadBeyond) != 0) return nullptr;
    reserved_ = std::make_shared<const Memory>(start, size, false);
    return start;
  }

  // Some operators insert nothing, null, after they found what they looked up, others do not look
  // up first.
  size_t Insert(const Key& key, void* data, size_t size) {
    const auto before = std::move(looked_up_);
    const bool same = before && Same(before->key, key);
    if (!data) return same ? before->found : SIZE_MAX;
    if (!same || before->found != SIZE_MAX) ++asked_;
    const auto memory = std::move(reserved_);
    if (!memory || memory->start != data || memory->size != size) return SIZE_MAX;
    Weights weights{static_cast<const char*>(data), size, {}, memory};
    const Digest request = RequestOf(key);
    const auto known = requests_.find(request);
    if (known != requests_.end() && Equal(*known->second, weights)) {
      return reinterpret_cast<size_t>(known->second->data);
    }
    weights.digest = DigestOf(data, size);
    return Use(request, store_->Add(request, std::make_shared<const Weights>(weights)));
  }

  const char* const model_;
  const size_t model_size_;
  const Owner owner_;
  std::string path_;
  const std::shared_ptr<Store> store_;
  xnn_weights_cache_provider provider_ = {};
  Fault fault_;
  Digest part_;
  uint64_t asked_ = 0;                   // requests since Begin()
  std::unique_ptr<LookedUp> looked_up_;  // just now
  std::shared_ptr<const Memory> reserved_;
  Requests requests_;
  std::set<const Weights*> saved_;        // of requests_, those in the file
  std::vector<WeightsPointer> replaced_;  // which kernels may still use
  std::vector<Digest> added_;  // to requests_, but not to the file
  size_t finished_ = 0;        // of them, those of graphs that were finished
};

}  // namespace

std::unique_ptr<WeightCache> WeightCache::Make(TfLiteContext* context,
                                               const WeightCacheOptions& options) {
  const tflite::Allocation* model = ModelOf(context);
  if (!options.any() || !model || !model->base()) return nullptr;
  return std::make_unique<Cache>(*model, options);
}

}  // namespace tflite_wheelhouse

#endif  // TFLITE_BUILD_WITH_XNNPACK_DELEGATE
