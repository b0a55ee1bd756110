// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distillation/diagnostics.h"
#include "distillation/distil_config.h"
#include "distillation/networks.h"
#include "training/map_shards.h"
#include "training/stats.h"
#include "training/trainee.h"

namespace onestep {

/// What learns, each with its optimiser; the fake score and the discriminator only where they have something
/// of their own to learn.
struct Learners {
  Trainee<Student> student;
  std::optional<Trainee<Denoiser>> fake;
  std::optional<Trainee<DiscriminatorNetworks>> discriminator;
  /// The student's gradient by terms that are divided by the batch's mean of h: both branches are linear in
  /// h, so that this comes last. All other terms go into student.sum.
  std::unique_ptr<TreeSum> normalised = std::make_unique<TreeSum>();
  /// The gradient of the others while theirs is taken, of each worker; empty where there are not both.
  std::vector<at::Tensor> plain;
};

/// A method on its networks. Constant during a step, but for gradients and sums.
struct Distillation {
  DistilConfig config;
  uint64_t seed;
  at::Device device;
  SigmaSource sigma;        ///< at which teacher and student are compared
  bool labelled;            ///< whether the student is asked for classes, as its network is made for
  std::vector<Term> terms;  ///< the score difference first
  Ratio ratio;
  Learners learners;
  std::vector<Networks> networks;  ///< of each worker that can be at work
};

/// What happens in a step: all numbers of the host that its shards depend on, beside the shapes of their
/// images.
struct StepPlan {
  int64_t size;  ///< images of the step
  bool student_learns;
  bool fake_learns;             ///< and the discriminator with it
  bool compares_branches;       ///< of the score difference, on the first shard
  bool believes_ratio;          ///< of the student's turn: r is more than 1
  std::vector<double> weights;  ///< of the terms, in the student's turn; 0: has not set in
};

/// The same text for shards of one kind of work (training/step_graphs.h), and another one for others.
std::string kind_of(const StepPlan& plan, const ShardPlace& place);

/// What a shard tells of itself (parallel/packed.h).
struct ShardReport {
  StepStats stats;
  Diagnostics diagnostics;
  at::Tensor finite;         ///< how many images had finite numbers
  at::Tensor h, h_count;     ///< of the student's turn: Σ h over finite images, and how many those are
  at::Tensor pulled;         ///< and how many of them the student learns from
  at::Tensor ratio, counts;  ///< of the discriminator's: bin sums of r
  template <class Self, class Visit>
  static void numbers(Self& r, Visit&& visit) {
    StepStats::numbers(r.stats, visit);
    Diagnostics::numbers(r.diagnostics, visit);
    for (at::Tensor* t : {&r.finite, &r.h, &r.h_count, &r.pulled, &r.ratio, &r.counts}) visit(*t);
  }
};

/// Which terms' gradients the student gets: by the mean of h, and as they are.
bool has_normalised_terms(const Distillation& distillation, const StepPlan& plan);
bool has_plain_terms(const Distillation& distillation, const StepPlan& plan);

/// A step of distribution matching on one shard (Yin et al. 2024, DMD2, algorithm 1; Zhou et al. 2024, SiD,
/// algorithm 1): the student's images, what the networks say of them, where the terms pull them and with them
/// the student; then the denoising loss of the fake score and the discriminator's loss on the same images.
/// Nothing is updated: gradients gather in the worker's replicas and in learners.plain.
ShardReport distil_shard(const Distillation& distillation, const StepPlan& plan, const Batch& batch,
                         const ShardPlace& place);

/// Takes them into the learners' sums as term `place.mine`, and leaves zeros.
void contribute(const Distillation& distillation, const StepPlan& plan, const ShardPlace& place);

/// Why a shard's work can't be a graph: what of it is decided on the host. "" where it can be.
std::string graph_problem(const Distillation& distillation);

}  // namespace onestep
