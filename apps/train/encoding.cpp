// SPDX-License-Identifier: Apache-2.0
#include "apps/train/encoding.h"

#include <memory>
#include <optional>

#include "apps/common/stop.h"
#include "config/node.h"
#include "io/folder.h"
#include "io/progress.h"
#include "io/safetensors.h"
#include "networks/model_codec.h"
#include "samplers/pictures.h"

namespace onestep {

EncodingContext encoding_by(const Codec& codec, const Workers& workers) {
  const auto progress = std::make_shared<std::optional<io::Progress>>();
  return {.open = [codec](const std::string&) { return encoder_of(codec); },
          .workers = workers,
          .watch =
              [progress](int64_t done, int64_t all) {
                if (stop_signal() != 0)
                  throw Interrupted("interrupted; the same command goes on encoding from there");
                if (!*progress) progress->emplace("encode", all, done);
                (*progress)->update(done);
                if (done == all) (*progress)->finish();
              }};
}

void write_latents(const std::filesystem::path& file, const DatasetConfig& config, const Dataset& data,
                   const Codec& codec) {
  if (!holds_latents(config))
    throw config::ConfigError("--latents-out: the data is not of kind encoded: it has no latents");
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  if (data.spread.defined())
    tensors = {{"mean", data.images}, {"std", data.spread}};
  else
    tensors = {{"latents", data.images}};
  if (!data.class_names.empty()) tensors.emplace_back("labels", data.labels);
  if (file.has_parent_path()) io::make_folders(file.parent_path());
  io::write_safetensors(file, tensors, metadata_of(codec));
}

}  // namespace onestep
