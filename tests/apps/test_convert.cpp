// SPDX-License-Identifier: Apache-2.0
// Published checkpoints from their own format to images: what scripts/onestep-convert writes is a model like
// any other, whose D is the reference's.
#include <cstdlib>

#include <ATen/ops/one_hot.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "closeness.h"
#include "golden_file.h"
#include "networks/denoiser.h"
#include "temporary_folder.h"

using namespace onestep;
using test::relative_error;

namespace {

bool has_python() {
  return std::system("python3 -c '' >/dev/null 2>&1") == 0;
}

int convert(const std::string& arguments) {
  return std::system(
      ("python3 " ONESTEP_SOURCE "/scripts/onestep-convert " + arguments + " >/dev/null").c_str());
}

}  // namespace

TEST_CASE("a converted pickle gives the reference's images, and is sampled without an option") {
  if (!has_python()) {
    WARN("skipped: no python3");
    return;
  }
  const TemporaryFolder folder;
  for (const auto& [name, rule, tolerance] :
       {std::tuple{"edm_ddpmpp", "edm", 2e-5}, std::tuple{"edm_ncsnpp", "edm", 2e-5},
        std::tuple{"edm_adm_fp16flag", "edm", 2e-5}, std::tuple{"vp_ddpmpp", "vp", 5e-4}}) {
    INFO(name);
    const std::string model = (folder / (std::string(name) + ".safetensors")).string();
    REQUIRE(convert(std::string(ONESTEP_GOLDEN) + "/checkpoint/" + name + ".pkl " + model) == 0);
    const Denoiser denoiser = load_denoiser(model, at::kCPU);
    CHECK(network_of(denoiser)->preconditioning.config.rule == rule);
    const io::TensorFile expected = test::golden_file("checkpoint/" + std::string(name) + ".expected");
    const auto given = [&](const char* key) { return expected.has(key) ? expected.at(key) : at::Tensor(); };
    const at::Tensor denoised =
        denoise(denoiser, expected.at("x"), expected.at("sigma"),
                {.condition = {given("class_labels")}, .augment_labels = given("augment_labels")});
    CHECK(relative_error(denoised, expected.at("D_x")) < tolerance);
    CHECK(test::run_command("onestep-sample " + model + " --seeds 0-3 --out " + (folder / name).string())
              .code == 0);
  }
}

TEST_CASE("a converted DiT and SiT know what they predict, and of which images") {
  if (!has_python()) {
    WARN("skipped: no python3");
    return;
  }
  const TemporaryFolder folder;
  const io::TensorFile golden = test::golden_file("networks/sit_patch4_three_heads");
  NamedTensors weights;
  for (const auto& [name, tensor] : golden.tensors)
    if (name.starts_with("weights/")) weights.emplace_back(name.substr(8), tensor);
  const std::string plain = (folder / "SiT-tiny.safetensors").string(),
                    model = (folder / "sit.safetensors").string();
  io::write_safetensors(plain, weights);
  REQUIRE(convert(plain + " " + model + " --num-heads 3 --rule gvp") == 0);
  const Denoiser sit = load_denoiser(model, at::kCPU, at::kDouble);
  CHECK(image_shape(sit) == ImageShape{3, 16, 16});
  CHECK(label_dim(sit) == golden.at("weights/y_embedder.embedding_table.weight").size(0) - 1);
  CHECK(network_of(sit)->preconditioning.config.rule == "gvp");
  const at::Tensor y = golden.at("y"), classes = at::one_hot(y, label_dim(sit) + 1).to(at::kDouble);
  const at::Tensor denoised =
      denoise(sit, golden.at("denoiser/x").to(at::kDouble), golden.at("denoiser/sigma").to(at::kDouble),
              Condition{classes.slice(1, 0, label_dim(sit))});  // the last class is none: a row of zeros
  CHECK(relative_error(denoised, golden.at("denoiser/D_x_f64")) < 1e-6);
}
