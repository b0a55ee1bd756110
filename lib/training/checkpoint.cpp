// SPDX-License-Identifier: Apache-2.0
#include "training/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <c10/util/StringUtil.h>

#include "io/folder.h"
#include "io/log.h"
#include "io/system_error.h"
#include "training/run.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

struct Found {
  int64_t nimg;
  fs::path path;
};

/// The checkpoints of a folder, oldest first, by their names alone. Throws io::SystemError.
std::vector<Found> find_checkpoints(const fs::path& folder) {
  std::vector<Found> all;
  for (const fs::path& path : io::entries_of(folder)) {
    const std::string stem = path.stem().string();
    int64_t nimg = 0;
    const auto [end, problem] = std::from_chars(stem.data(), stem.data() + stem.size(), nimg);
    if (path.extension() == ".safetensors" && problem == std::errc() && end == stem.data() + stem.size())
      all.push_back({nimg, path});
  }
  std::ranges::sort(all, {}, &Found::nimg);
  return all;
}

/// Throws io::FileError.
void require_nimg(const std::map<std::string, std::string>& metadata, const Found& checkpoint) {
  const auto inside = metadata.find(kNimgKey);
  if (inside == metadata.end())
    throw io::FileError(checkpoint.path,
                        std::string("is no checkpoint: its metadata lacks '") + kNimgKey + "'");
  if (inside->second != std::to_string(checkpoint.nimg))
    throw io::FileError(checkpoint.path, "holds the state after " + inside->second.substr(0, 40) +
                                             " images: its name is wrong");
}

/// What the header says, which must fit the file's size and hold the number of images that its name says; the
/// data is not looked at. Throws io::FileError.
std::map<std::string, std::string> read_header(const Found& checkpoint) {
  auto metadata = io::read_safetensors_metadata(checkpoint.path);
  require_nimg(metadata, checkpoint);
  return metadata;
}

/// The file, which must hold the number of images that its name says. Throws io::FileError.
io::TensorFile read_checkpoint(const Found& checkpoint) {
  io::TensorFile file = io::read_safetensors(checkpoint.path);
  require_nimg(file.metadata, checkpoint);
  return file;
}

bool is_whole(const Found& checkpoint) {
  try {
    read_header(checkpoint);
    return true;
  } catch (const io::FileError&) {
    return false;
  }
}

/// Why the file's tensors are not those of `state`; "" where they are.
std::string misfit(const io::TensorFile& file, const NamedTensors& state) {
  for (const auto& [name, tensor] : state) {
    if (!file.has(name)) return "has no tensor '" + name + "'";
    const at::Tensor& found = file.at(name);
    if (found.sizes() != tensor.sizes() || found.scalar_type() != tensor.scalar_type())
      return c10::str("tensor '", name, "' is ", found.scalar_type(), " ", found.sizes(), ", not ",
                      tensor.scalar_type(), " ", tensor.sizes());
  }
  if (file.tensors.size() > state.size())
    return c10::str("has ", file.tensors.size(), " tensors, not ", state.size());
  return "";
}

/// Renames the file to NAME.bad, or .bad2 and so on: no file is replaced. Returns the new name.
std::string move_aside(const fs::path& path) {
  fs::path aside = path;
  aside += ".bad";
  std::error_code error;
  for (int n = 2; fs::exists(fs::symlink_status(aside, error)); ++n)
    aside.replace_extension(".bad" + std::to_string(n));
  fs::rename(path, aside, error);
  if (error) throw io::SystemError(path, "is damaged and cannot be moved aside", error.value());
  return aside.filename().string();
}

}  // namespace

void save_checkpoint(const fs::path& folder, const NamedTensors& state, int64_t nimg, int64_t keep,
                     std::map<std::string, std::string> metadata) {
  metadata[kNimgKey] = std::to_string(nimg);
  io::write_safetensors(folder / (nimg_stem(nimg) + ".safetensors"), state, metadata);
  std::vector<Found> older = find_checkpoints(folder);
  std::erase_if(older, [&](const Found& found) { return found.nimg >= nimg || !is_whole(found); });
  for (size_t i = 0; i + static_cast<size_t>(keep) < older.size() + 1; ++i) {
    std::error_code ignored;  // an old file that stays does no harm
    fs::remove(older[i].path, ignored);
  }
}

bool has_checkpoints(const fs::path& folder) {
  return !find_checkpoints(folder).empty();
}

std::map<std::string, std::string> newest_checkpoint_metadata(const fs::path& folder) {
  const std::vector<Found> all = find_checkpoints(folder);
  for (auto candidate = all.rbegin(); candidate != all.rend(); ++candidate) {
    try {
      return read_header(*candidate);
    } catch (const io::SystemError&) {
      throw;
    } catch (const io::FileError&) {
      continue;  // load_newest_checkpoint says what is wrong with it
    }
  }
  return {};
}

std::optional<int64_t> load_newest_checkpoint(const fs::path& folder, NamedTensors& state) {
  const std::vector<Found> all = find_checkpoints(folder);
  std::vector<io::FileError> bad;  // newest first
  for (auto candidate = all.rbegin(); candidate != all.rend(); ++candidate) {
    io::TensorFile file;
    try {
      file = read_checkpoint(*candidate);
    } catch (const io::SystemError&) {
      throw;  // the file may well be good
    } catch (const io::FileError& error) {
      bad.push_back(error);
      continue;
    }
    if (const std::string problem = misfit(file, state); !problem.empty()) {
      bad.emplace_back(file.path, "does not fit this run: " + problem);
      break;
    }
    for (const io::FileError& error : bad)
      io::log_warning(c10::str("skipping a bad checkpoint: ", error.what(), "; it is now ",
                               move_aside(error.path()), ", and the run goes on from ", candidate->nimg,
                               " images"));
    const c10::NoGradGuard no_grad;
    for (auto& [name, tensor] : state) tensor.copy_(file.at(name));
    return candidate->nimg;
  }
  if (bad.empty()) return std::nullopt;
  throw io::FileError(folder,
                      std::string("the run cannot go on from what is here, and would write over it: ") +
                          bad.front().what() + "; choose another run.dir to start anew");
}

}  // namespace onestep
