// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/check.h"
#include "data/dataset.h"
#include "samplers/sampler_config.h"

namespace onestep {

/// A generator: images are drawn from it for the seeds 0, 1, 2, ...
struct ModelSubject {
  static constexpr const char* kind = "model";
  std::string name;
  std::string path;
  config::Partial<SamplerConfig> sampler;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("name", c.name, "how the report calls it", config::non_empty);
    visit("path", c.path, "model file (safetensors)", config::non_empty);
    visit("sampler", c.sampler, "changes to the sampler that the model brings along");
  }
};

/// Real images, chosen by a permutation that the seed fixes.
struct DatasetSubject {
  static constexpr const char* kind = "dataset";
  std::string name;
  DatasetConfig data;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("name", c.name, "how the report calls it", config::non_empty);
    visit("data", c.data, "the images");
  }
};

/// Features that another program computed.
struct FeaturesSubject {
  static constexpr const char* kind = "features";
  std::string name;
  std::string path;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("name", c.name, "how the report calls it", config::non_empty);
    visit("path", c.path, ".npz or .safetensors with an array 'features' [N, d]", config::non_empty);
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
    visit("path", c.path, ".npz or .safetensors with an array 'features' [N, d]", config::non_empty);
  }
};

using ReferenceConfig = std::variant<DatasetReference, FeaturesReference>;

struct FeaturesConfig {
  std::string model;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("model", c.model, "classifier file; not needed where everything comes as features");
  }
};

/// What `metrics` may name: all, fid and the keys of metric_table().
std::vector<std::string> metric_keys();

/// One evaluation: what is scored, against what, in which features.
struct EvaluateConfig {
  std::string out;
  std::string title = "Evaluation";
  FeaturesConfig features;
  ReferenceConfig reference;
  std::vector<SubjectConfig> subjects;
  std::string baseline;
  std::vector<std::string> metrics{"fid"};
  int64_t images = 2000;
  std::string classes = "balanced";
  int64_t batch = 100;
  int64_t seed = 0;
  std::string device = "cpu";
  int64_t threads = 0;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("out", c.out, "folder for report.html and report.json", config::non_empty);
    visit("title", c.title, "heading of the report");
    visit("features", c.features, "the feature space of FID");
    visit("reference", c.reference, "what subjects are compared with");
    visit("subjects", c.subjects, "what is scored; the first is the headline");
    visit("baseline", c.baseline, "name of the subject that the headline is judged against; may be empty");
    visit("metrics", c.metrics, "what is measured beside FID, which always is; all is every one",
          config::one_of(metric_keys()));
    visit("images", c.images, "images a subject (feature files are taken whole)", config::at_least(2));
    visit("classes", c.classes,
          "of class-conditional models: balanced is seed modulo the number of classes, seeds is drawn from "
          "each seed",
          config::one_of({"balanced", "seeds"}));
    visit("batch", c.batch, "images a network pass", config::at_least(1));
    visit("seed", c.seed, "which images of a dataset, and which the report shows", config::non_negative);
    visit("device", c.device, "cpu, cuda or cuda:N", config::non_empty);
    visit("threads", c.threads, "CPU threads; 0 is OMP_NUM_THREADS or all cores", config::between(0, 1024));
  }
  std::string problem() const;
};

}  // namespace onestep
