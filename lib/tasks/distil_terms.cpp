// SPDX-License-Identifier: Apache-2.0
#include "tasks/distil_terms.h"

#include "tasks/distil_networks.h"

namespace onestep {
namespace {

/// The integral branch is a mean over an image's `pixels`, the expanded one a sum.
Term branch_term(const IntegralConfig& branch, double pixels) {
  return IntegralTerm{.weight = {.weight = branch.weight / pixels}, .branch = branch};
}
Term branch_term(const ExpandedConfig& branch, double) {
  return ExpandedTerm{.weight = {.weight = branch.weight}, .branch = branch};
}

BranchScale scale_of(const IntegralConfig& branch) {
  return {branch.normalisation, /*power=*/2};
}
BranchScale scale_of(const ExpandedConfig& branch) {
  return {branch.normalisation, /*power=*/4};
}

}  // namespace

std::vector<Term> make_terms(const DistilConfig& config, const TaskContext& context, const Denoiser& network,
                             const Student& student, const std::shared_ptr<TeacherPairs>& pairs) {
  const auto pixels = static_cast<double>(context.data.images.numel() / context.data.images.size(0));
  // A term is a number of one pixel's order: beside a sum over pixels it counts as often as there are pixels.
  const auto beside_branch = [&](TermWeight weight) {
    if (std::holds_alternative<ExpandedConfig>(config.loss)) weight.weight *= pixels;
    return weight;
  };
  std::vector<Term> terms{
      std::visit([&](const auto& branch) { return branch_term(branch, pixels); }, config.loss)};
  if (const auto& c = config.adversarial) {
    AdversarialTerm term{.weight = beside_branch(c->term)};
    if (c->scaled) term.scale = std::visit([](const auto& branch) { return scale_of(branch); }, config.loss);
    terms.emplace_back(term);
  }
  if (const auto& c = config.regression)
    terms.emplace_back(RegressionTerm{.weight = beside_branch(c->term), .pairs = pairs});
  if (const auto& c = config.reward)
    terms.emplace_back(
        RewardTerm{.weight = beside_branch(c->term),
                   .classifier = rounded(open_classifier(*c, config.student.generator, network, context),
                                         network_type(context.run))});
  if (const auto& c = config.fidelity) {
    FidelityTerm term{.weight = beside_branch(c->term), .config = *c};
    if (!context.device.is_meta())
      term.measured = measurements(*c, std::get<Particles>(student.form), context.run.seed);
    terms.emplace_back(term);
  }
  return terms;
}

}  // namespace onestep
