// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/classifier.h"
#include "tasks/context.h"
#include "training/adam.h"

namespace onestep {

/// Trains a classifier, whose last hidden layer becomes the feature space of an evaluation.
struct ClassifyConfig {
  static constexpr const char* kind = "classify";
  ClassifierConfig network;
  double label_smoothing = 0.05;
  AdamConfig optimizer;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("network", c.network, "the classifier");
    visit("label_smoothing", c.label_smoothing, "share of the target spread over all classes",
          config::between(0, 0.99));
    visit("optimizer", c.optimizer, "Adam");
  }
};

/// Minimises the cross-entropy of the labels. At the end, scales the features so that the trace of their
/// covariance over the training set is their dimension: FID in these features then has a fixed unit.
Task make_classify_task(const ClassifyConfig& config, const TaskContext& context);

/// The share of a set's images whose largest logit is their label, in [0, 1].
double accuracy(const Classifier& classifier, const Dataset& data, at::Device device);

}  // namespace onestep
