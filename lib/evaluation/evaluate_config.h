// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/check.h"
#include "config/partial.h"
#include "data/dataset.h"
#include "evaluation/features_config.h"
#include "samplers/sampler_config.h"

namespace onestep {

inline constexpr const char* kFeatureFile =
    ".npz or .safetensors with an array 'features' [N, d], or with 'mu' [d] and 'sigma' [d, d] as EDM, "
    "pytorch-fid and ADM write them";

/// A generator: images are drawn from it for consecutive seeds.
struct ModelSubject {
  static constexpr const char* kind = "model";
  std::string name;
  std::string path;
  config::Partial<SamplerConfig> sampler;
  std::string decoder;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("name", c.name, "how the report calls it", config::non_empty);
    visit("path", c.path, "model file (safetensors)", config::path);
    visit("sampler", c.sampler, "changes to the sampler that the model brings along");
    visit("decoder", c.decoder, "of a model of latents: the autoencoder that decodes them; empty: its own",
          config::path_or_none);
  }
};

/// Real images: all, or as many as are asked for, chosen by a permutation that the seed fixes.
struct DatasetSubject {
  static constexpr const char* kind = "dataset";
  std::string name;
  DatasetConfig data;
  std::string autoencoder;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("name", c.name, "how the report calls it", config::non_empty);
    visit("data", c.data, "the images");
    visit("autoencoder", c.autoencoder,
          "score the images as this autoencoder gives them back: what its latents lose; empty: as they are",
          config::path_or_none);
  }
};

/// Features that another program computed, or nothing but their mean and covariance.
struct FeaturesSubject {
  static constexpr const char* kind = "features";
  std::string name;
  std::string path;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("name", c.name, "how the report calls it", config::non_empty);
    visit("path", c.path, kFeatureFile, config::path);
  }
};

using SubjectConfig = std::variant<ModelSubject, DatasetSubject, FeaturesSubject>;
const std::string& subject_name(const SubjectConfig& subject);

struct DatasetReference {
  static constexpr const char* kind = "dataset";
  DatasetConfig data = FashionMnistConfig{.split = "test"};

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("data", c.data, "the images, all of them");
  }
};

struct FeaturesReference {
  static constexpr const char* kind = "features";
  std::string path;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("path", c.path, kFeatureFile, config::path);
  }
};

using ReferenceConfig = std::variant<DatasetReference, FeaturesReference>;

/// What `metrics` may name: all, fid and the keys of metric_table().
std::vector<std::string> metric_keys();

/// none, quick, edm: the rows of protocol.h's table.
std::vector<std::string> protocol_names();

/// One evaluation: what is scored, against what, in which features.
struct EvaluateConfig {
  std::string out;
  std::string title = "Evaluation";
  FeaturesConfig features;
  ReferenceConfig reference;
  std::vector<SubjectConfig> subjects;
  std::string baseline;
  std::string trend;
  std::string protocol = "none";
  std::vector<std::string> metrics{"fid"};
  std::optional<int64_t> images;
  std::optional<int64_t> draw_images;
  int64_t first_seed = 0;
  int64_t seed_sets = 1;
  std::string classes = "balanced";
  int64_t batch = 100;
  int64_t seed = 0;
  std::string device = "cpu";
  int64_t threads = 0;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("out", c.out, "folder for report.html and report.json", config::path);
    visit("title", c.title, "heading of the report");
    visit("features", c.features, "the feature space of FID");
    visit("reference", c.reference, "what subjects are compared with");
    visit("subjects", c.subjects, "what is scored; the first is the headline");
    visit("baseline", c.baseline, "name of the subject that the headline is judged against; may be empty");
    visit("trend", c.trend,
          "folder of a training run: FID of each model that it kept (run.model_images); may be empty",
          config::path_or_none);
    visit("protocol", c.protocol, "a preset for keys that are not given; edm is that of published numbers",
          config::one_of(protocol_names()));
    visit("metrics", c.metrics, "what is measured beside FID, which always is; all is every one",
          config::one_of(metric_keys()));
    visit("images", c.images,
          "images a subject; not given: 2000 of a model, and sets of images whole (as feature files always "
          "are)",
          config::at_least(2));
    visit("draw_images", c.draw_images, "images drawn of each model, where that differs from `images`",
          config::at_least(2));
    visit("first_seed", c.first_seed, "seeds of generators: first_seed, first_seed + 1, ...",
          config::non_negative);
    visit("seed_sets", c.seed_sets,
          "so many sets of as many seeds each, one after the other; FID is told for each",
          config::between(1, 100));
    visit("classes", c.classes,
          "of class-conditional models: balanced is seed modulo the number of classes, seeds is drawn from "
          "each seed; of the classes that the model was trained on",
          config::one_of({"balanced", "seeds"}));
    visit("batch", c.batch, "images a network pass", config::between(1, 4096));
    visit("seed", c.seed, "which images of a dataset, and which the report shows", config::non_negative);
    visit("device", c.device, "cpu, cuda or cuda:N", config::non_empty);
    visit("threads", c.threads, "CPU threads; 0 is OMP_NUM_THREADS or all cores", config::between(0, 1024));
  }
  std::string problem() const;
};

/// How many images are drawn from each model.
int64_t images_to_draw(const EvaluateConfig& config);

}  // namespace onestep
