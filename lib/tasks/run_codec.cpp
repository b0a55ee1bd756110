// SPDX-License-Identifier: Apache-2.0
#include "tasks/run_codec.h"

#include "config/node.h"
#include "networks/model_codec.h"

namespace onestep {

Codec codec_of_run(const TrainConfig& config, at::Device device) {
  const std::string named = autoencoder_of(config.data);
  const auto* distil = std::get_if<DistilConfig>(&config.task);
  Codec codec, teachers;
  if (!named.empty()) codec = load_codec(named, device);
  if (distil != nullptr && distil->teacher) teachers = codec_of_model(*distil->teacher, device);
  if (!is_pixels(teachers) && !holds_latents(config.data))
    throw config::ConfigError("data: no latents, but the teacher, " + *distil->teacher +
                              ", makes latents: kind encoded makes them of pictures");
  if (named.empty()) return teachers;
  if (is_pixels(teachers)) return codec;
  const std::string sha256 = content_sha256(codec), other = content_sha256(teachers);
  if (other != sha256)
    throw config::ConfigError("data.autoencoder: " + named + " (sha256 " + sha256.substr(0, 12) +
                              "…) is another one than the teacher's, " + *distil->teacher + " (" +
                              other.substr(0, 12) + "…)");
  return codec;
}

}  // namespace onestep
