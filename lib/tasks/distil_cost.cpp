// SPDX-License-Identifier: Apache-2.0
#include "tasks/distil_cost.h"

#include "networks/cost.h"
#include "training/trainee.h"

namespace onestep {

TaskCost distil_cost(const DistilConfig& config, const RunConfig& run, const Networks& networks,
                     int64_t workers) {
  const auto& [teacher, student, fake, discriminator] = networks;
  const Denoiser& network = fake.network ? *fake.network : teacher;
  const PassCost one = pass_cost(network);
  const auto pass = static_cast<double>(one.macs);
  const double turns = 1.0 / static_cast<double>(updates_per_student(config.fake));
  const double learning = learns_in_students_step(config.fake) ? 1 : 1 - turns;  // share of the steps
  const auto* stepped = std::get_if<SteppedStudent>(&student.form);
  // Of several steps an image makes half of those before its last, on average.
  const double before_last = stepped ? 0.5 * static_cast<double>(stepped->sigmas.size() - 1) : 0;
  const auto passes = [](double guidance) { return guidance == 1 ? 1.0 : 2.0; };
  const auto* learnt = std::get_if<FakeNetworkConfig>(&config.fake);
  const double guided = passes(config.teacher_guidance) + (learnt ? passes(learnt->guidance) : 1);
  // D_p and D_q in the student's turn; the expanded branch goes back through both to their input.
  const double compared = guided * (std::holds_alternative<ExpandedConfig>(config.loss) ? 2 : 1);
  // The student's graph waits while D_p and D_q are gone through, by the expanded branch with graphs of
  // theirs.
  const double graphs = std::holds_alternative<ExpandedConfig>(config.loss) ? 1 + guided : 2;
  const auto averages = static_cast<double>(config.student.ema.all.size() + 1);  // and a sum by itself
  TaskCost cost{.parameters = {{"teacher", parameter_count(teacher)}, {"student", parameter_count(student)}}};
  cost.macs_per_image = pass * ((stepped ? before_last + 1 + 2 * turns : 0) + turns * compared);
  const at::ScalarType type = network_type(run);
  const auto frozen = static_cast<double>(c10::elementSize(type));
  cost.bytes = training_bytes(cost.parameters[1].second, workers, type) +
               frozen * static_cast<double>(cost.parameters[0].second) +
               4.0 * averages * static_cast<double>(cost.parameters[1].second) +
               graphs * activation_bytes(one, run, workers);
  if (fake.network) {
    cost.parameters.emplace_back("fake", parameter_count(network));
    cost.bytes += training_bytes(parameter_count(network), workers, type);
    cost.macs_per_image += pass * kTrainingPasses * learning * passes(learnt->training_guidance);
  }
  if (discriminator) {
    // The encoder is about half of a pass. Real images go through it wherever the discriminator learns; the
    // student's too, where no other pass has their features: in the student's steps, if the encoder is
    // frozen, and in all that it shares with the fake score.
    const bool reused = !discriminator->trains_encoder && learns_in_students_step(config.fake);
    const double known = discriminator->shares_encoder ? learning : reused ? turns : 0;
    const double of_one = discriminator->trains_encoder ? kTrainingPasses : 1;
    cost.macs_per_image += pass * 0.5 * of_one * (2 * learning - known);
    if (config.adversarial) cost.macs_per_image += pass * 0.5 * turns;
    if (discriminator->networks) {
      const int64_t own = parameter_count(*discriminator->networks);
      cost.parameters.emplace_back("discriminator", own);
      cost.bytes += training_bytes(own, workers, type);
    }
  }
  return cost;
}

}  // namespace onestep
