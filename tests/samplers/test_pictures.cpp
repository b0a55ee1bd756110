// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "io/safetensors.h"
#include "kernels/philox.h"
#include "networks/model_codec.h"
#include "samplers/pictures.h"
#include "temporary_folder.h"

using namespace onestep;
using Catch::Contains;

namespace {

Codec small_codec(uint64_t seed = 1) {
  return make_codec(AutoencoderKlConfig{.in_channels = 1,
                                        .out_channels = 1,
                                        .latent_channels = 2,
                                        .block_out_channels = {8, 8},
                                        .layers_per_block = 1,
                                        .norm_num_groups = 4},
                    seed);
}

at::Tensor some(int64_t count, at::IntArrayRef shape) {
  return kernels::philox_normal(1, 0, at::arange(count), shape, at::kCPU);
}

/// What a model's file says that makes latents of a codec.
void write_model(const std::filesystem::path& path, const Codec& codec) {
  io::write_safetensors(path, {{"weight", some(1, {1})}}, metadata_of(codec));
}

}  // namespace

TEST_CASE("pictures_of: a picture does not depend on the others, nor on the workers") {
  const Codec codec = small_codec();
  const at::Tensor latents = some(37, {2, 4, 4});
  const at::Tensor all = pictures_of(codec, latents, Workers(3));
  REQUIRE(all.sizes() == at::IntArrayRef({37, 1, 8, 8}));
  CHECK(at::equal(pictures_of(codec, latents), all));
  CHECK(at::equal(pictures_of(codec, latents.narrow(0, 30, 1)), all.narrow(0, 30, 1)));
  CHECK_FALSE(all.requires_grad());
}

TEST_CASE("pictures_of: samples in pixels are pictures as they are") {
  const at::Tensor samples = some(3, {1, 8, 8});
  CHECK(pictures_of({}, samples).is_same(samples));
  CHECK(picture_shape({}, {1, 8, 8}) == ImageShape{1, 8, 8});
  CHECK(is_picture({3, 8, 8}));
  CHECK_FALSE(is_picture({4, 8, 8}));
  CHECK_FALSE(is_picture({1, 1, 1}));
}

TEST_CASE("encoder_of: the moments of encode_moments, whatever the number of pictures") {
  const Codec codec = small_codec();
  const at::Tensor pictures = some(16, {1, 8, 8});
  const LatentMoments all = encoder_of(codec).moments(pictures);
  const LatentMoments three = encoder_of(codec).moments(pictures.narrow(0, 0, 3));
  CHECK(at::equal(all.mean.narrow(0, 0, 3), three.mean));
  CHECK(at::equal(all.std.narrow(0, 0, 3), three.std));
  CHECK(at::equal(all.mean, encode_moments(codec, pictures).mean));
}

TEST_CASE("reconstructions_of: decoded means") {
  const Codec codec = small_codec();
  const at::Tensor pictures = some(16, {1, 8, 8});
  CHECK(at::equal(reconstructions_of(codec, pictures), decode(codec, encode(codec, pictures))));
}

TEST_CASE("pictures: an autoencoder that gives NaN is told") {
  Codec broken = small_codec();
  named_tensors(broken).back().second.fill_(std::nan(""));
  CHECK_THROWS_WITH(pictures_of(broken, some(3, {2, 4, 4})), Contains("autoencoder gives NaN"));
  CHECK_THROWS_WITH(reconstructions_of(broken, some(3, {1, 8, 8})), Contains("autoencoder gives NaN"));
}

TEST_CASE("require_same: latents of another autoencoder are refused by their file's name") {
  const Codec codec = small_codec();
  const std::string named = metadata_of(codec).at(kAutoencoderKey);
  CHECK_NOTHROW(require_same("a.safetensors", named, codec));
  CHECK_THROWS_WITH(require_same("a.safetensors", named, small_codec(2)),
                    Contains("a.safetensors") && Contains("another autoencoder"));
  CHECK_THROWS_AS(require_same("a.safetensors", "[", codec), io::FileError);
}

TEST_CASE("content_sha256: an autoencoder is what it computes, wherever it was read") {
  const TemporaryFolder folder;
  const Codec codec = small_codec();
  save_codec(folder / "a.safetensors", codec, {{"note", "another file"}});
  CHECK(content_sha256(load_codec(folder / "a.safetensors", at::kCPU)) == content_sha256(codec));
  CHECK(content_sha256(small_codec(2)) != content_sha256(codec));
  CHECK(content_sha256(with_latent_scaling(codec, {.scaling_factor = 0.5})) != content_sha256(codec));
  CHECK(content_sha256(Codec{}).empty());
  CHECK(metadata_of({}).empty());
}

TEST_CASE("codec_of_model: beside the model or above it, and no other one") {
  const TemporaryFolder folder;
  const Codec codec = small_codec();
  std::filesystem::create_directories(folder / "run/models");
  const auto autoencoder = folder / ("run/" + std::string(kAutoencoderFile)),
             model = folder / "run/model.safetensors", kept = folder / "run/models/000000000016.safetensors";
  write_model(model, codec);
  write_model(kept, codec);
  CHECK_THROWS_WITH(codec_of_model(model, at::kCPU), Contains("model.safetensors") && Contains("beside"));
  save_codec(autoencoder, codec);
  CHECK(content_sha256(codec_of_model(model, at::kCPU)) == content_sha256(codec));
  CHECK(content_sha256(codec_of_model(kept, at::kCPU)) == content_sha256(codec));
  save_codec(autoencoder, small_codec(2));
  CHECK_THROWS_WITH(codec_of_model(model, at::kCPU), Contains("another autoencoder"));

  write_model(model, {});
  CHECK(std::holds_alternative<Pixels>(codec_of_model(model, at::kCPU).form));
  for (const char* place : {"../autoencoder.safetensors", "/etc/passwd", "..", ""}) {
    const NamedAutoencoder named{place, "0"};
    io::write_safetensors(model, {{"weight", some(1, {1})}},
                          {{kAutoencoderKey, config::to_json(named).dump()}});
    CHECK_THROWS_AS(codec_of_model(model, at::kCPU), io::FileError);
  }
}
