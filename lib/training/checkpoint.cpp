// SPDX-License-Identifier: Apache-2.0
#include "training/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <c10/util/StringUtil.h>

#include "io/log.h"
#include "training/run_folder.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

struct Found {
  int64_t nimg;
  fs::path path;
};

/// The checkpoints of a folder, oldest first, by their names alone.
std::vector<Found> find_checkpoints(const fs::path& folder) {
  std::vector<Found> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string stem = entry.path().stem().string();
    int64_t nimg = 0;
    const auto [end, problem] = std::from_chars(stem.data(), stem.data() + stem.size(), nimg);
    if (entry.path().extension() == ".safetensors" && problem == std::errc() &&
        end == stem.data() + stem.size()) {
      all.push_back({nimg, entry.path()});
    }
  }
  std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.nimg < b.nimg; });
  return all;
}

/// The file's tensors in the order of `state`. Throws io::FileError if one is missing or unlike.
std::vector<at::Tensor> matching_tensors(const io::TensorFile& file, const NamedTensors& state) {
  std::vector<at::Tensor> loaded;
  for (const auto& [name, tensor] : state) {
    const at::Tensor& found = file.at(name);
    if (found.sizes() != tensor.sizes() || found.scalar_type() != tensor.scalar_type()) {
      throw io::FileError(file.path, "tensor '" + name + "' does not fit this run");
    }
    loaded.push_back(found);
  }
  return loaded;
}

}  // namespace

void save_checkpoint(const fs::path& folder, const NamedTensors& state, int64_t nimg, int64_t keep) {
  io::write_safetensors(folder / (nimg_stem(nimg) + ".safetensors"), state,
                        {{"onestep.nimg", std::to_string(nimg)}});
  std::vector<Found> all = find_checkpoints(folder);
  for (size_t i = 0; i + static_cast<size_t>(keep) < all.size(); ++i) {
    std::error_code ignored;  // an old file that stays does no harm
    fs::remove(all[i].path, ignored);
  }
}

std::optional<int64_t> load_newest_checkpoint(const fs::path& folder, NamedTensors& state) {
  std::vector<Found> all = find_checkpoints(folder);
  for (auto candidate = all.rbegin(); candidate != all.rend(); ++candidate) {
    try {
      const std::vector<at::Tensor> loaded = matching_tensors(io::read_safetensors(candidate->path), state);
      const c10::NoGradGuard no_grad;
      for (size_t i = 0; i < loaded.size(); ++i) state[i].second.copy_(loaded[i]);
      return candidate->nimg;
    } catch (const io::FileError& error) {
      io::log_warning(std::string("skipping a bad checkpoint: ") + error.what());
    }
  }
  return std::nullopt;
}

}  // namespace onestep
