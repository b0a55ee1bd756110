// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <ATen/TensorOperators.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "data/dataset.h"
#include "evaluation/feature_extractor.h"
#include "io/file.h"
#include "io/file_error.h"
#include "io/sha256.h"

namespace onestep {
namespace {

/// LibTorch's messages carry source text over many lines; the first that says something is enough.
std::string first_line(const std::string& text) {
  const size_t from = text.find_first_not_of(" \n");
  return from == std::string::npos ? text : text.substr(from, text.find('\n', from) - from);
}

torch::jit::Module load(const std::string& path, at::Device device) {
  io::MappedFile{path};  // says what is wrong with the path itself
  try {
    torch::jit::Module module = torch::jit::load(path, device);
    module.eval();
    return module;
  } catch (const std::exception& error) {  // c10::Error, and whatever its reader throws
    throw io::FileError(path, "is not a TorchScript file, or is damaged: " + first_line(error.what()));
  }
}

/// [B, d] out of what a network returned.
at::Tensor features_of(const c10::IValue& output, const std::string& path, int64_t batch) {
  const c10::IValue value = output.isTuple() && !output.toTupleRef().elements().empty()
                                ? output.toTupleRef().elements()[0]
                                : output;
  if (!value.isTensor()) throw io::FileError(path, "returns no tensor");
  at::Tensor features = value.toTensor();
  if (features.dim() == 4 && features.size(2) == 1 && features.size(3) == 1) features = features.flatten(1);
  if (features.dim() != 2 || features.size(0) != batch || !features.is_floating_point())
    throw io::FileError(path, c10::str("returns ", features.scalar_type(), " ", features.sizes(), " for ",
                                       batch, " images; floats [B, d] or [B, d, 1, 1] are expected"));
  return features.to(at::kFloat);
}

}  // namespace

FeatureExtractor open_torchscript(const TorchScriptFeatures& config, at::Device device) {
  const auto network = std::make_shared<torch::jit::Module>(load(config.model, device));
  const auto extract = [=](const at::Tensor& images) {
    at::Tensor input = config.input == "float" ? to_float(images) : images;
    if (config.channels == 3 && input.size(1) == 1) input = input.repeat({1, 3, 1, 1});
    std::unordered_map<std::string, c10::IValue> options;
    if (config.return_features) options.emplace("return_features", true);
    try {
      const c10::IValue output = network->get_method("forward")({input.to(device)}, options);
      return Extracted{.features = features_of(output, config.model, images.size(0))};
    } catch (const c10::Error& error) {
      throw io::FileError(config.model, "fails: " + first_line(error.what_without_backtrace()));
    } catch (const io::FileError&) {
      throw;
    } catch (const std::exception& error) {  // what the interpreter throws
      throw io::FileError(config.model, "fails: " + first_line(error.what()));
    }
  };
  return {.kind = config.kind,
          .network = {.path = config.model, .sha256 = io::sha256_of_file(config.model)},
          .problem = [](const ImageShape&) { return std::string(); },
          .extract = extract};
}

}  // namespace onestep
