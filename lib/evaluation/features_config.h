// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <variant>

#include "config/check.h"

namespace onestep {

/// A classifier that onestep-train made: its last hidden layer. FIDs compare with each other only.
struct ClassifierFeatures {
  static constexpr const char* kind = "classifier";
  std::string model;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("model", c.model, "classifier file; not needed where everything comes as features",
          config::path_or_none);
  }
};

/// The Inception network of published FIDs (weights of 2015-12-05).
struct InceptionFeatures {
  static constexpr const char* kind = "inception";
  std::string model;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("model", c.model, "weights (safetensors) that scripts/convert_inception.py wrote", config::path);
  }
};

/// Any network as a TorchScript file. It returns features [B, d], [B, d, 1, 1] or a tuple that starts so.
struct TorchScriptFeatures {
  static constexpr const char* kind = "torchscript";
  std::string model;
  std::string input = "uint8";
  int64_t channels = 3;
  bool return_features = false;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("model", c.model, "TorchScript file", config::path);
    visit("input", c.input, "uint8: images in 0 ... 255; float: float32 in [-1, 1]",
          config::one_of({"uint8", "float"}));
    visit("channels", c.channels, "3 repeats grey images, 0 takes images as they are", config::between(0, 3));
    visit("return_features", c.return_features,
          "call it with return_features=True, as NVIDIA's inception-2015-12-05.pt wants");
  }
  std::string problem() const { return channels == 0 || channels == 3 ? "" : "channels: is 0 or 3"; }
};

/// The pixels themselves, flattened, uint8 / 255: for toys and tests.
struct PixelFeatures {
  static constexpr const char* kind = "pixels";

  template <class Self, class Visit>
  static void fields(Self&, Visit&&) {}
};

using FeaturesConfig =
    std::variant<ClassifierFeatures, InceptionFeatures, TorchScriptFeatures, PixelFeatures>;

/// Whether images can be turned into features: a classifier may be left unnamed where none are.
inline bool has_network(const FeaturesConfig& config) {
  const auto* classifier = std::get_if<ClassifierFeatures>(&config);
  return classifier == nullptr || !classifier->model.empty();
}

}  // namespace onestep
