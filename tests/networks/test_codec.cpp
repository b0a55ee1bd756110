// SPDX-License-Identifier: Apache-2.0
// Autoencoders and the codec against numbers of diffusers, and against what follows from what they are.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/round.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "closeness.h"
#include "golden_file.h"
#include "io/image.h"
#include "kernels/philox.h"
#include "networks/autoencoder_folder.h"
#include "networks/codec.h"
#include "on_devices.h"

using namespace onestep;
using Catch::Matchers::Contains;
using test::relative_error;

namespace {

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return kernels::philox_normal(seed, 0, at::arange(shape[0]), shape.slice(1), at::kCPU);
}

/// Grey images of 28 × 28 to latents of 4 × 7 × 7.
AutoencoderKlConfig small_grey() {
  AutoencoderKlConfig config;
  config.in_channels = config.out_channels = 1;
  config.block_out_channels = {16, 24, 24};
  config.layers_per_block = 1;
  config.norm_num_groups = 8;
  config.mid_block_add_attention = false;
  return config;
}

std::string c10_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

/// The largest difference of two pictures in grey levels.
int64_t levels_between(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kCPU, at::kLong) - b.to(at::kCPU, at::kLong)).abs().max().item<int64_t>();
}

/// Numbers kept in float32 can't be met more closely; those in float64 can.
constexpr double tolerance(at::ScalarType dtype, bool wide_reference) {
  return dtype == at::kDouble ? (wide_reference ? 1e-9 : 2e-6) : 2e-5;
}

template <class M>
at::Tensor gradient_of(M& module, const std::string& name) {
  at::Tensor gradient;
  for_each_tensor(module, [&](const std::string& path, at::Tensor& tensor, bool) {
    if (path == name) gradient = tensor.grad();
  });
  return gradient;
}

}  // namespace

DEVICE_TEST_CASE("The KL autoencoder equals diffusers': moments, decoded images, gradients", "[codec]") {
  for (const char* name : {"vae_kl_tiny", "vae_kl_rect_16ch"}) {
    const io::TensorFile file = test::golden_file(std::string("networks/") + name, device);
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      const bool wide = dtype == at::kDouble;
      INFO(name << (wide ? " float64" : " float32"));
      Codec codec = test::golden_codec(name, dtype, device);
      flatten(codec);
      const AutoencoderKl& m = std::get<AutoencoderKl>(codec.form);
      const auto golden = [&](const char* key) { return file.at(key).to(dtype, false, /*copy=*/true); };

      const KlMoments seen = moments(m, golden("image"));
      CHECK(relative_error(at::cat({seen.mean, seen.logvar}, 1), file.at(wide ? "moments_f64" : "moments")) <
            tolerance(dtype, wide));
      CHECK(relative_error(at::exp(seen.logvar / 2), file.at("std")) < tolerance(dtype, false));

      const at::Tensor z = golden("z").set_requires_grad(true);
      const at::Tensor decoded = decode(m, z);
      CHECK(relative_error(decoded, file.at(wide ? "decoded_f64" : "decoded")) < tolerance(dtype, wide));
      (decoded * golden("v")).sum().backward();
      CHECK(relative_error(z.grad(), file.at("grad/z")) < 2e-5);
      CHECK(relative_error(gradient_of(codec, "decoder.conv_in.weight"),
                           file.at("grad/decoder.conv_in.weight")) < 2e-5);
    }
  }
}

DEVICE_TEST_CASE("The codec equals diffusers' use of it: latents and their pictures", "[codec]") {
  for (const char* name : {"vae_kl_tiny", "vae_kl_rect_16ch"}) {
    const io::TensorFile file = test::golden_file(std::string("networks/") + name, device);
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      INFO(name << " " << dtype);
      const Codec codec = test::golden_codec(name, dtype, device);
      const at::Tensor latents = encode(codec, file.at("image").to(dtype), file.at("eps").to(dtype));
      CHECK(relative_error(latents, file.at("latent")) < tolerance(dtype, false));
      const LatentScaling s = latent_scaling(codec);
      CHECK(relative_error(latents / s.scaling_factor + s.shift_factor, file.at("sampled")) <
            tolerance(dtype, false));
      CHECK(relative_error(encode(codec, file.at("image").to(dtype)),
                           (file.at("mean") - s.shift_factor) * s.scaling_factor) < tolerance(dtype, false));

      const at::Tensor decoded = decode(codec, file.at("latent").to(dtype));
      CHECK(relative_error(decoded, file.at("decoded_latent")) < tolerance(dtype, false));
      // A number on the edge between two levels may fall to either side.
      const at::Tensor diffusers = at::round(at::clamp(decoded / 2 + 0.5, 0, 1) * 255).to(at::kByte);
      CHECK(levels_between(diffusers, file.at("decoded_latent_u8")) <= 1);
      CHECK(levels_between(io::to_uint8(decoded), file.at("decoded_latent_u8_edm")) <= 1);
    }
  }
}

DEVICE_TEST_CASE("The tiny autoencoder equals diffusers'", "[codec]") {
  const io::TensorFile file = test::golden_file("networks/vae_tiny", device);
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    INFO(dtype);
    const Codec codec = test::golden_codec("vae_tiny", dtype, device);
    CHECK(relative_error(encode(codec, file.at("image").to(dtype)), file.at("encoded")) <
          tolerance(dtype, false));
    const at::Tensor z = file.at("z").to(dtype, false, /*copy=*/true).set_requires_grad(true);
    const at::Tensor decoded = decode(codec, z);
    CHECK(relative_error(decoded, file.at("decoded")) < tolerance(dtype, false));
    (decoded * file.at("v").to(dtype)).sum().backward();
    CHECK(relative_error(z.grad(), file.at("grad/z")) < 2e-5);
    // Its encoder is deterministic: noise changes nothing.
    CHECK(!encode_moments(codec, file.at("image").to(dtype)).std.defined());
    CHECK(at::equal(encode(codec, file.at("image").to(dtype), z.detach()),
                    encode(codec, file.at("image").to(dtype))));
  }
}

TEST_CASE("Autoencoders compute in bfloat16 as in float32, about", "[codec]") {
  for (const std::string& name : test::autoencoder_cases()) {
    INFO(name);
    const Codec codec = test::golden_codec(name);
    const Codec narrow = rounded(codec, at::kBFloat16);
    const at::Tensor images = test::golden_file("networks/" + name).at("image");
    const LatentMoments want = encode_moments(codec, images), got = encode_moments(narrow, images);
    CHECK(got.mean.scalar_type() == at::kFloat);
    CHECK(relative_error(got.mean, want.mean) < 0.05);
    if (want.std.defined()) CHECK(relative_error(got.std, want.std) < 0.05);
    const at::Tensor decoded = decode(narrow, want.mean);
    CHECK(decoded.scalar_type() == at::kFloat);
    CHECK(relative_error(decoded, decode(codec, want.mean)) < 0.05);
  }
}

TEST_CASE("A small autoencoder gives the same bits in any batch, and with or without gradients about",
          "[codec]") {
  for (const AutoencoderConfig& config :
       {AutoencoderConfig(small_grey()),
        AutoencoderConfig(AutoencoderTinyConfig{.in_channels = 1, .out_channels = 1, .channels = 16})}) {
    const Codec codec = make_codec(config, 3);
    const at::Tensor images = normal({19, 1, 32, 24}, 1);
    const LatentMoments trained = encode_moments(codec, images.narrow(0, 0, 3));
    const c10::NoGradGuard no_grad;
    const LatentMoments all = encode_moments(codec, images);
    const at::Tensor decoded = decode(codec, all.mean);
    for (const int64_t rows : {1, 2, 15, 17}) {
      INFO(rows << " rows");
      const LatentMoments some = encode_moments(codec, images.narrow(0, 2, rows));
      CHECK(at::equal(some.mean, all.mean.narrow(0, 2, rows)));
      if (some.std.defined()) CHECK(at::equal(some.std, all.std.narrow(0, 2, rows)));
      CHECK(at::equal(decode(codec, all.mean.narrow(0, 2, rows)), decoded.narrow(0, 2, rows)));
    }
    CHECK(relative_error(trained.mean, all.mean.narrow(0, 0, 3)) < 1e-5);
    CHECK(decode(codec, all.mean.narrow(0, 0, 0)).sizes() == at::IntArrayRef({0, 1, 32, 24}));
  }
}

TEST_CASE("Scaling latents and codec together changes no picture", "[codec]") {
  const Codec codec = test::golden_codec("vae_kl_rect_16ch", at::kDouble);
  const io::TensorFile file = test::golden_file("networks/vae_kl_rect_16ch");
  const at::Tensor images = file.at("image").to(at::kDouble), noise = file.at("eps").to(at::kDouble);
  const LatentScaling own = latent_scaling(codec);
  const LatentScaling other = {.scaling_factor = 3 * own.scaling_factor,
                               .shift_factor = own.shift_factor + 0.25};
  const Codec changed = with_latent_scaling(codec, other);
  CHECK(latent_scaling(changed) == other);
  const at::Tensor latents = encode(codec, images, noise);
  const at::Tensor expected = 3 * (latents - 0.25 * own.scaling_factor);
  CHECK(relative_error(encode(changed, images, noise), expected) < 1e-13);
  CHECK(relative_error(decode(changed, expected), decode(codec, latents)) < 1e-12);
  // What the latents' distribution says of itself is in the same units.
  const LatentMoments a = encode_moments(codec, images), b = encode_moments(changed, images);
  CHECK(relative_error(b.std, 3 * a.std) < 1e-13);
  CHECK(relative_error(a.mean + a.std * noise, latents) < 1e-13);
}

TEST_CASE("The picture of a constant latent is constant, but for its border", "[codec]") {
  for (const std::string& name : test::autoencoder_cases()) {
    INFO(name);
    const Codec codec = test::golden_codec(name, at::kDouble);
    const ImageShape latents{name == "vae_kl_rect_16ch" ? 16 : 4, 48, 48};
    const at::Tensor latent = normal({1, latents.channels, 1, 1}, 5).to(at::kDouble);
    const at::Tensor picture = decode(codec, latent.expand({1, -1, latents.height, latents.width}));
    const int64_t side = picture.size(2);
    CHECK(side == image_shape(codec, latents).height);
    const at::Tensor middle = picture.narrow(2, side / 2 - 8, 16).narrow(3, side / 2 - 8, 16);
    CHECK(relative_error(middle, middle.narrow(2, 0, 1).narrow(3, 0, 1).expand_as(middle)) < 1e-10);
    CHECK(relative_error(picture.narrow(2, 0, 16).narrow(3, 0, 16), middle) > 1e-3);
  }
}

TEST_CASE("Pixels are their own latents", "[codec]") {
  const Codec codec{.form = Pixels()};
  const at::Tensor images = normal({2, 3, 5, 7}, 1);
  CHECK(at::equal(encode(codec, images, normal({2, 3, 5, 7}, 2)), images));
  CHECK(at::equal(decode(codec, images), images));
  CHECK(latent_shape(codec, {3, 5, 7}) == ImageShape{3, 5, 7});
  CHECK(image_shape(codec, {3, 5, 7}) == ImageShape{3, 5, 7});
  CHECK(parameter_count(codec) == 0);
  CHECK_THROWS(model_file(codec));
  CHECK_THROWS(with_latent_scaling(codec, {.scaling_factor = 2}));
}

TEST_CASE("A small autoencoder of grey images", "[codec]") {
  const Codec codec = make_codec(small_grey(), 1);
  CHECK(parameter_count(codec) > 120'000);
  CHECK(parameter_count(codec) < 150'000);
  CHECK(latent_shape(codec, {1, 28, 28}) == ImageShape{4, 7, 7});
  CHECK(image_shape(codec, {4, 7, 7}) == ImageShape{1, 28, 28});
  const at::Tensor images = at::clamp(normal({3, 1, 28, 28}, 2) * 0.5, -1, 1);
  const at::Tensor latents = encode(codec, images, normal({3, 4, 7, 7}, 3));
  CHECK(latents.sizes() == at::IntArrayRef({3, 4, 7, 7}));
  CHECK(decode(codec, latents).sizes() == images.sizes());
}

TEST_CASE("A small autoencoder learns its images", "[codec][learning]") {
  Codec codec = make_codec(small_grey(), 1);
  const FlatParameters flat = flatten(codec);
  const at::Tensor column = at::arange(28) * 0.3;
  const at::Tensor images = (column.sin().unsqueeze(0) * column.cos().unsqueeze(1)).expand({2, 1, 28, 28});
  const auto loss = [&] {
    const LatentMoments seen = encode_moments(codec, images);
    return (decode(codec, seen.mean) - images).square().mean() + 1e-3 * seen.std.square().mean();
  };
  const double before = loss().item<double>();
  for (int step = 0; step < 60; ++step) {
    loss().backward();
    const c10::NoGradGuard no_grad;
    flat.values.sub_(flat.gradients * (0.05 / (1 + flat.gradients.norm())));
    flat.gradients.zero_();
  }
  CHECK(loss().item<double>() < 0.5 * before);
}

TEST_CASE("Shapes that do not fit name both sides", "[codec]") {
  const Codec grey = make_codec(small_grey(), 1, at::kMeta);
  CHECK_THAT(c10_error([&] {
               latent_shape(grey, {1, 30, 28});
             }),
             Contains("images 1 x H x W, H and W multiples of 4") && Contains("latents 4 x H/4 x W/4") &&
                 Contains("was given images 1 x 30 x 28"));
  CHECK_THAT(c10_error([&] { latent_shape(grey, {3, 28, 28}); }), Contains("given images 3 x 28 x 28"));
  CHECK_THAT(c10_error([&] { latent_shape(grey, {1, 0, 28}); }), Contains("given images 1 x 0 x 28"));
  CHECK_THAT(c10_error([&] {
               image_shape(grey, {16, 7, 7});
             }),
             Contains("latents 4 x H/4 x W/4") && Contains("was given latents 16 x 7 x 7"));
  const Codec codec = make_codec(small_grey(), 1);
  CHECK_THAT(c10_error([&] { encode(codec, at::zeros({2, 1, 28, 26})); }), Contains("1 x 28 x 26"));
  CHECK_THAT(c10_error([&] { encode(codec, at::zeros({1, 28, 28})); }), Contains("[N, C, H, W]"));
  CHECK_THAT(c10_error([&] { encode(codec, at::zeros({2, 1, 28, 28}, at::kByte)); }), Contains("floating"));
  CHECK_THAT(c10_error([&] {
               encode(codec, at::zeros({2, 1, 28, 28}), at::zeros({1, 4, 7, 7}));
             }),
             Contains("noise [1, 4, 7, 7] for latents [2, 4, 7, 7]"));
  CHECK_THAT(c10_error([&] { decode(codec, at::zeros({2, 3, 7, 7})); }), Contains("given latents 3 x 7 x 7"));

  AutoencoderKlConfig narrow = small_grey();
  narrow.norm_num_groups = 32;
  CHECK_THAT(problem_of(narrow), Contains("16 can't be split into 32 groups"));
  CHECK_THAT(c10_error([&] { make_codec(narrow, 1); }), Contains("norm_num_groups"));
  narrow.block_out_channels = {};
  CHECK_THAT(problem_of(narrow), Contains("1 to 8 entries"));
  CHECK_THAT(problem_of(AutoencoderTinyConfig{.num_decoder_blocks = {1}}), Contains("4 entries"));
}

TEST_CASE("Parameters and products are those that are published", "[codec]") {
  const Codec sd = make_codec(AutoencoderKlConfig(), 0, at::kMeta);
  CHECK(parameter_count(sd) == 83'653'863);
  CHECK(tensor_names(sd).size() == 248);
  CHECK(parameter_count(std::get<AutoencoderKl>(sd.form).decoder) == 49'490'179);
  CHECK(latent_shape(sd, {3, 512, 512}) == ImageShape{4, 64, 64});
  CHECK(decode_cost(sd, {3, 512, 512}).macs / 1e9 == Approx(1257).epsilon(0.01));
  CHECK(encode_cost(sd, {3, 512, 512}).macs / 1e9 == Approx(558).epsilon(0.01));
  CHECK(decode_cost(sd, {3, 256, 256}).macs / 1e9 == Approx(311).epsilon(0.01));
  CHECK(encode_cost(sd, {3, 256, 256}).macs / 1e9 == Approx(136).epsilon(0.01));
  const Codec tiny = make_codec(AutoencoderTinyConfig(), 0, at::kMeta);
  CHECK(parameter_count(tiny) / 1e6 == Approx(2.45).epsilon(0.005));
  CHECK(decode_cost(tiny, {3, 512, 512}).macs / 1e9 == Approx(71).epsilon(0.01));
  CHECK(latent_scaling(sd) == LatentScaling{0.18215, 0});
  CHECK(latent_scaling(tiny) == LatentScaling{1, 0});
  CHECK_THROWS(encode_cost(sd, {3, 512, 500}));
  CHECK_THROWS(decode_cost(sd, {3, 512, 500}));
}
