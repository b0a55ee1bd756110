// SPDX-License-Identifier: Apache-2.0
#include "networks/model_codec.h"

#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "io/folder.h"
#include "io/sha256.h"
#include "io/tensor_bytes.h"
#include "networks/model_metadata.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

/// Where the named file lies. Throws io::FileError naming the model.
fs::path find(const NamedAutoencoder& named, const fs::path& model) {
  if (fs::path(named.file).filename() != named.file || named.file == "." || named.file == "..")
    throw io::FileError(model, "names its autoencoder by a path, not by a file's name");
  const fs::path folder = fs::absolute(model).parent_path();
  for (const fs::path& place : {folder / named.file, folder.parent_path() / named.file})
    if (io::path_exists(place)) return place;
  throw io::FileError(model,
                      "makes latents, and the autoencoder that they are of, " + named.file +
                          ", is neither beside it nor in the folder above: put it there, or name a decoder");
}

}  // namespace

std::string content_sha256(const Codec& codec) {
  if (is_pixels(codec)) return "";
  const io::TensorFile file = model_file(codec);
  std::string text = "onestep.codec.1";
  for (const auto& [key, value] : file.metadata) text += c10::str("\n", key, " ", value);
  for (const auto& [name, tensor] : file.tensors) {
    const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    text += c10::str("\n", name, " ", values.sizes(), " ", io::sha256(io::bytes_of(values)));
  }
  return io::sha256(text);
}

bool is_codec(const io::TensorFile& file) {
  return file.metadata.contains(kCodecKey);
}

std::map<std::string, std::string> metadata_of(const Codec& codec) {
  if (is_pixels(codec)) return {};
  const NamedAutoencoder named{kAutoencoderFile, content_sha256(codec)};
  return {{kAutoencoderKey, config::to_json(named).dump()}};
}

void require_same(const fs::path& file, const std::string& named, const Codec& codec) {
  const auto there = read_metadata<NamedAutoencoder>(file, kAutoencoderKey, named);
  if (const std::string sha256 = content_sha256(codec); sha256 != there.sha256)
    throw io::FileError(file, "is of another autoencoder (sha256 " + there.sha256.substr(0, 12) +
                                  "…) than the one that is named here (" + sha256.substr(0, 12) + "…)");
}

Codec codec_of_metadata(const std::map<std::string, std::string>& metadata, const fs::path& model,
                        at::Device device) {
  const auto found = metadata.find(kAutoencoderKey);
  if (found == metadata.end()) return {};
  const auto named = read_metadata<NamedAutoencoder>(model, kAutoencoderKey, found->second);
  const fs::path file = find(named, model);
  Codec codec = load_codec(file, device);
  if (const std::string sha256 = content_sha256(codec); sha256 != named.sha256)
    throw io::FileError(file, "is another autoencoder than " + model.string() + " was made for (sha256 " +
                                  sha256.substr(0, 12) + "…, not " + named.sha256.substr(0, 12) + "…)");
  return codec;
}

Codec codec_of_model(const fs::path& model, at::Device device) {
  return codec_of_metadata(io::read_safetensors_metadata(model), model, device);
}

}  // namespace onestep
