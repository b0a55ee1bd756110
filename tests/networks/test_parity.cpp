// SPDX-License-Identifier: Apache-2.0
// SongUNet under EDM preconditioning against numbers of the reference implementation, in both precisions.
#include <limits>

#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "closeness.h"
#include "config/config.h"
#include "golden_file.h"
#include "networks/denoiser.h"
#include "noise/preconditioning.h"
#include "on_devices.h"

using namespace onestep;
using test::relative_error;

namespace {

struct Case {
  io::TensorFile file;
  at::ScalarType dtype;
  Denoiser denoiser;

  /// An input, in the precision of the network.
  at::Tensor get(const std::string& name) const {
    return file.has(name) ? file.at(name).to(dtype) : at::Tensor();
  }
};

Case load_case(const std::string& name, at::ScalarType dtype, at::Device device) {
  io::TensorFile file = test::golden_file("networks/" + name, device);
  auto kwargs = nlohmann::json::parse(file.metadata.at("case")).at("kwargs");
  DenoiserConfig config;
  if (kwargs.contains("sigma_data")) config.preconditioning.sigma_data = kwargs.at("sigma_data");
  kwargs.erase("sigma_data");
  kwargs.erase("model_type");
  config.network = config::read<SongUNetConfig>(config::parse(kwargs.dump(), name));
  Denoiser denoiser = with_tensors_of(file, make_denoiser(config, 0, at::kMeta), device, dtype, "weights/");
  return {std::move(file), dtype, std::move(denoiser)};
}

void check_case(const std::string& name, at::Device device, at::ScalarType dtype, double tolerance,
                double gradient_tolerance) {
  const bool wide = dtype == at::kDouble;
  Case c = load_case(name, dtype, device);
  flatten(c.denoiser);
  INFO(name << (wide ? " float64" : " float32"));

  const at::Tensor x = c.get("x").set_requires_grad(true);
  const at::Tensor sigma = c.get("sigma");
  const DenoiserInputs inputs{.condition = {c.get("class_labels")},
                              .augment_labels = c.get("augment_labels")};
  const at::Tensor denoised = denoise(c.denoiser, x, sigma, inputs);
  CHECK(relative_error(denoised, c.file.at(wide ? "D_x_f64" : "D_x")) < tolerance);

  (denoised * c.get("v")).sum().backward();
  CHECK(relative_error(x.grad(), c.file.at(wide ? "grad_f64/x" : "grad/x")) < gradient_tolerance);
  if (wide) return;

  int compared = 0;
  for_each_tensor(c.denoiser, [&](const std::string& path, at::Tensor& tensor, bool) {
    if (!c.file.has("grad/" + path)) return;
    INFO(path);
    CHECK(relative_error(tensor.grad(), c.file.at("grad/" + path)) < gradient_tolerance);
    ++compared;
  });
  CHECK(compared == 3);

  const auto& unet = std::get<SongUNet>(network_of(c.denoiser)->network);
  const at::Tensor raw =
      forward(unet, c.file.at("c_in_x"), {c.file.at("c_noise"), inputs.condition, inputs.augment_labels})
          .output;
  CHECK(relative_error(raw, c.file.at("F_x")) < tolerance);
  if (c.file.has("D_x_nolabel")) {
    const at::Tensor unlabelled = denoise(c.denoiser, x, sigma, {.augment_labels = inputs.augment_labels});
    CHECK(relative_error(unlabelled, c.file.at("D_x_nolabel")) < tolerance);
  }
  const at::Tensor plain = denoise(c.denoiser, x, sigma, {.condition = inputs.condition});
  CHECK(relative_error(plain, c.file.at("D_x_noaugment")) < tolerance);
}

}  // namespace

DEVICE_TEST_CASE("SongUNet equals the reference: outputs, gradients, missing labels", "[networks]") {
  for (const char* name : {"edm_ddpmpp_uncond_aug", "edm_ddpmpp_3level", "edm_ncsnpp_cond_aug"}) {
    check_case(name, device, at::kFloat, 2e-5, 1e-4);
    check_case(name, device, at::kDouble, 1e-10, 1e-10);
  }
}

TEST_CASE("Every official tensor has a place, and none is left over") {
  for (const char* name : {"edm_ddpmpp_uncond_aug", "edm_ddpmpp_3level", "edm_ncsnpp_cond_aug"}) {
    const Case c = load_case(name, at::kFloat, at::kCPU);
    size_t official = 0;
    for (const auto& [key, tensor] : c.file.tensors) official += key.starts_with("weights/");
    CHECK(named_tensors(c.denoiser).size() == official);
    for (const auto& [key, tensor] : named_tensors(c.denoiser)) CHECK(c.file.has("weights/" + key));
  }
}

TEST_CASE("The published CIFAR-10 networks have the published number of parameters") {
  SongUNetConfig ddpmpp{.augment_dim = 9};
  CHECK(parameter_count(make_network(ddpmpp, 0, at::kMeta)) == 55'733'891);
  ddpmpp.label_dim = 10;
  CHECK(parameter_count(make_network(ddpmpp, 0, at::kMeta)) == 55'735'299);
  const SongUNetConfig ncsnpp{.augment_dim = 9,
                              .embedding_type = "fourier",
                              .channel_mult_noise = 2,
                              .encoder_type = "residual",
                              .resample_filter = {1, 3, 3, 1}};
  CHECK(parameter_count(make_network(ncsnpp, 0, at::kMeta)) == 56'397'827);
}
