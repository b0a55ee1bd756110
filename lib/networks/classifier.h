// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "config/check.h"
#include "networks/layers.h"

namespace onestep {

/// A small convolutional classifier, whose last hidden layer serves as the feature space of FID on small
/// images.
struct ClassifierConfig {
  int64_t img_resolution = 28;
  int64_t img_channels = 1;
  int64_t label_dim = 10;
  std::vector<int64_t> channels = {16, 32, 64};
  int64_t feature_dim = 64;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("img_resolution", c.img_resolution, "height and width of the images", config::between(2, 1024));
    visit("img_channels", c.img_channels, "channels of the images", config::between(1, 16));
    visit("label_dim", c.label_dim, "number of classes", config::between(2, 1e6));
    visit("channels", c.channels, "channels of each stage; every stage halves the resolution",
          config::between(4, 4096));
    visit("feature_dim", c.feature_dim, "dimension of the features", config::between(1, 65536));
  }
  std::string problem() const;
};

/// Stages of [3×3 convolution, group normalisation, SiLU, 2×2 max pooling], then features = SiLU(linear) and
/// logits = linear(features). Group rather than batch normalisation: a sample's features depend on no other.
/// SiLU rather than ReLU: more than half of the ReLU features died in training, and FID saw the rest alone.
struct Classifier {
  ClassifierConfig config;
  std::vector<std::pair<std::string, Conv2d>> convs;
  std::vector<std::pair<std::string, GroupNorm>> norms;
  Linear feature, logit;
  at::Tensor
      feature_scale;  ///< [1]: features are multiplied by it, so that tr Cov = feature_dim on training data
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("convs", m.convs);
    visit("norms", m.norms);
    visit("feature", m.feature);
    visit("logit", m.logit);
    visit("feature_scale", m.feature_scale, kBuffer);
  }
};

/// Initial weights are drawn from `seed`, on the CPU; on at::kMeta it has shapes alone.
Classifier make_classifier(const ClassifierConfig& config, uint64_t seed, at::Device device = at::kCPU);

struct Classified {
  at::Tensor features;  ///< [N, feature_dim], scaled
  at::Tensor logits;    ///< [N, label_dim]
};
/// images [N, C, H, W], float in [−1, 1].
Classified classify(const Classifier& m, const at::Tensor& images);

/// The metadata key `onestep.classifier` holds the configuration. Throws io::FileError naming the file.
Classifier load_classifier(const std::filesystem::path& path, at::Device device);
/// What such a file holds, sharing storage with the classifier.
io::TensorFile model_file(const Classifier& m, std::map<std::string, std::string> metadata = {});
void save_classifier(const std::filesystem::path& path, const Classifier& m,
                     std::map<std::string, std::string> metadata = {});

}  // namespace onestep
