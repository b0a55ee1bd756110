// SPDX-License-Identifier: Apache-2.0
// The U-Nets of the EDM family under their preconditionings against numbers of the reference implementation,
// in both precisions.
#include <limits>
#include <map>

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

/// The preconditioning of a reference's class, and how near float32 gets: its c_noise of VP is near 999, so
/// that rounding shows.
struct Kind {
  std::string rule;
  double raw, gradient;
};
const std::map<std::string, Kind> kKinds{{"EDMPrecond", {"edm", 2e-5, 1e-4}},
                                         {"VPPrecond", {"vp", 5e-4, 5e-4}},
                                         {"VEPrecond", {"ve", 2e-5, 1e-4}},
                                         {"iDDPMPrecond", {"iddpm", 2e-5, 1e-4}}};

struct Case {
  io::TensorFile file;
  at::ScalarType dtype;
  Kind kind;
  Denoiser denoiser;

  /// An input, in the precision of the network.
  at::Tensor get(const std::string& name) const {
    return file.has(name) ? file.at(name).to(dtype) : at::Tensor();
  }
};

Case load_case(io::TensorFile file, at::ScalarType dtype, at::Device device) {
  const auto described = nlohmann::json::parse(file.metadata.at("case"));
  auto kwargs = described.at("kwargs");
  const Kind kind = kKinds.at(described.at("kind"));
  DenoiserConfig config;
  config.preconditioning.rule = kind.rule;
  config.preconditioning.sigma_data = kwargs.value("sigma_data", 0.5);
  if (kind.rule == "iddpm") kwargs["out_channels"] = 2 * kwargs.at("img_channels").get<int64_t>();
  const bool adm = kwargs.at("model_type") == "DhariwalUNet";
  for (const char* key : {"sigma_data", "model_type"}) kwargs.erase(key);
  const config::Node node = config::parse(kwargs.dump(), kind.rule);
  if (adm) {
    config.network = config::read<DhariwalUNetConfig>(node);
  } else {
    config.network = config::read<SongUNetConfig>(node);
  }
  Denoiser denoiser = with_tensors_of(file, make_denoiser(config, 0, at::kMeta), device, dtype, "weights/");
  return {std::move(file), dtype, kind, std::move(denoiser)};
}

void check_case(const io::TensorFile& file, at::Device device, at::ScalarType dtype) {
  const bool wide = dtype == at::kDouble;
  Case c = load_case(file, dtype, device);
  flatten(c.denoiser);
  INFO((wide ? "float64" : "float32"));
  const double tolerance = wide ? 1e-10 : 2e-5, gradient_tolerance = wide ? 1e-10 : c.kind.gradient;

  const at::Tensor x = c.get("x").clone().set_requires_grad(true);
  const at::Tensor sigma = c.get("sigma");
  const DenoiserInputs inputs{.condition = {c.get("class_labels")},
                              .augment_labels = c.get("augment_labels")};
  const at::Tensor denoised = denoise(c.denoiser, x, sigma, inputs);
  CHECK(relative_error(denoised, file.at(wide ? "D_x_f64" : "D_x")) < tolerance);

  (denoised * c.get("v")).sum().backward();
  CHECK(relative_error(x.grad(), file.at(wide ? "grad_f64/x" : "grad/x")) < gradient_tolerance);
  if (wide) return;

  int compared = 0;
  for_each_tensor(c.denoiser, [&](const std::string& path, at::Tensor& tensor, bool) {
    if (!file.has("grad/" + path)) return;
    INFO(path);
    CHECK(relative_error(tensor.grad(), file.at("grad/" + path)) < gradient_tolerance);
    ++compared;
  });
  CHECK(compared == 3);

  const at::Tensor raw = forward(network_of(c.denoiser)->network, file.at("c_in_x"),
                                 {file.at("c_noise"), inputs.condition, inputs.augment_labels})
                             .output;
  CHECK(relative_error(raw, file.at("F_x")) < c.kind.raw);
  if (file.has("D_x_nolabel")) {
    const at::Tensor unlabelled = denoise(c.denoiser, x, sigma, {.augment_labels = inputs.augment_labels});
    CHECK(relative_error(unlabelled, file.at("D_x_nolabel")) < tolerance);
  }
  if (file.has("D_x_noaugment")) {
    const at::Tensor plain = denoise(c.denoiser, x, sigma, {.condition = inputs.condition});
    CHECK(relative_error(plain, file.at("D_x_noaugment")) < tolerance);
  }

  size_t official = 0;
  for (const auto& [key, tensor] : file.tensors) official += key.starts_with("weights/model.");
  CHECK(named_tensors(c.denoiser).size() == official);  // a place for every one, and none is left over
}

}  // namespace

DEVICE_TEST_CASE("U-Nets equal the reference: outputs, gradients, missing labels, every tensor",
                 "[networks]") {
  for (const char* name : {"edm_ddpmpp_uncond_aug", "edm_ddpmpp_3level", "edm_ddpmpp_cond_span",
                           "edm_ncsnpp_cond_aug", "edm_ncsnpp_span", "edm_song_skip", "vp_ddpmpp",
                           "ve_ncsnpp", "edm_adm_cond_attn", "edm_adm_uncond_span_nohead", "iddpm_adm"}) {
    INFO(name);
    const auto file = test::golden_file_if_there(std::string("networks/") + name, device);
    if (!file) continue;
    check_case(*file, device, at::kFloat);
    check_case(*file, device, at::kDouble);
  }
}
