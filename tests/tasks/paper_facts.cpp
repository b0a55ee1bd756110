// SPDX-License-Identifier: Apache-2.0
#include "paper_facts.h"

#include <cmath>
#include <fstream>

#include "config/config.h"

namespace onestep::test {
namespace {

/// DMD2's and f-distill's runs: their grid of noise levels, AdamW and cycle.
Facts integral_family(const std::vector<std::string>& networks, const std::string& rate) {
  Facts facts{{"task.loss.kind", "integral"},
              {"task.loss.normalisation", "dmd"},
              {"task.student.generator.sigma_init", "80"},
              {"task.fake.reduction", "mean"},
              {"task.fake.updates_per_student", "5"},
              {"task.fake.dropout", "0"},
              {"task.student.ema.ramp_up_ratio", "0"}};
  for (const std::string law : {"task.sigma", "task.fake.sigma"}) {
    facts = with(facts, {{law + ".kind", "karras"},
                         {law + ".rho", "7"},
                         {law + ".levels", "1000"},
                         {law + ".from", "0.002"},
                         {law + ".to", "0.999"}});
  }
  set_optimisers(facts, networks,
                 {{"learning_rate.peak", rate},
                  {"beta1", "0.9"},
                  {"beta2", "0.999"},
                  {"weight_decay", "0.01"},
                  {"clip_norm", "10"}});
  return facts;
}

Facts on_cifar(int64_t iterations) {
  return {{"run.batch", "2048"},
          {"run.images", std::to_string(2048 * iterations)},
          {"task.student.ema.half_life_kimg", half_life(2048)}};
}

Facts sid_family() {
  Facts facts{{"run.batch", "256"},
              {"task.loss.kind", "expanded"},
              {"task.loss.normalisation", "sid"},
              {"task.loss.weight", "100"},
              {"task.sigma.kind", "karras"},
              {"task.sigma.rho", "7"},
              {"task.sigma.from", "0"},
              {"task.sigma.to", "0.8"},
              {"task.student.generator.sigma_init", "2.5"},
              {"task.student.ema.half_life_kimg", "500"},
              {"task.student.ema.ramp_up_ratio", "0.05"},
              {"task.fake.sigma.kind", "lognormal"},
              {"task.fake.sigma.mean", "-1.2"},
              {"task.fake.sigma.std", "1.2"},
              {"task.fake.weighting", "edm"},
              {"task.fake.reduction", "sum"},
              {"task.fake.updates_per_student", "1"},
              {"task.fake.dropout", "0.13"},
              {"task.fake.augmentation", "0.12"},
              {"gradients", "nan 0, inf 1e5"}};
  set_optimisers(facts, {"student", "fake"},
                 {{"learning_rate.peak", "1e-5"}, {"beta1", "0"}, {"beta2", "0.999"}, {"eps", "1e-8"}});
  return facts;
}

Facts sida_family() {
  return with(sid_family(), {{"run.images", "300000000"},
                             {"task.student.start_kimg", "100"},
                             {"task.fake.optimizer.clip_value", "1"},
                             {"task.discriminator.features", "fake"}});
}

Facts uni_instruct(const std::string& form) {
  return with(sida_family(), {{"task.loss.form", form}, {"task.adversarial", "0.01"}});
}

bool same(const std::string& a, const std::string& b) {
  if (a == b) return true;
  char *end_a = nullptr, *end_b = nullptr;
  const double x = std::strtod(a.c_str(), &end_a), y = std::strtod(b.c_str(), &end_b);
  return !a.empty() && !b.empty() && *end_a == 0 && *end_b == 0 && x == y;
}

}  // namespace

Facts with(Facts facts, const Facts& more) {
  for (const auto& [key, value] : more) facts[key] = value;
  return facts;
}

void set_optimisers(Facts& facts, const std::vector<std::string>& networks, const Facts& values) {
  for (const std::string& network : networks)
    for (const auto& [key, value] : values) facts["task." + network + ".optimizer." + key] = value;
}

std::string half_life(int64_t batch) {
  return std::to_string(std::llround(std::log(2) / -std::log(0.9999) * static_cast<double>(batch) / 1000));
}

std::map<std::string, Facts> facts_of_papers() {
  const std::vector<std::string> two{"student", "fake"}, three{"student", "fake", "discriminator"};
  const Facts alone = with(integral_family(two, "1e-4"), on_cifar(100000));
  const Facts in_turns{{"task.fake.updates_per_student", "1"},
                       {"task.fake.in_students_step", "true"},
                       {"task.fake.weighting", "edm"}};
  return {
      {"diff_instruct", with(alone, in_turns)},
      {"dmd", with(with(alone, in_turns),
                   {{"task.regression.weight", "0.25"}, {"task.regression.distance", "lpips"}})},
      {"di_plus_plus",
       with(with(alone, in_turns), {{"task.reward.weight", "of a model of human preference"}})},
      {"dmd2", with(integral_family(three, "2e-6"), {{"run.batch", "512"},
                                                     {"run.images", std::to_string(512 * 600000)},
                                                     {"task.student.ema.half_life_kimg", half_life(512)},
                                                     {"task.fake.weighting", "edm"},
                                                     {"task.fake.in_students_step", "true"},
                                                     {"task.discriminator.features", "fake"},
                                                     {"task.discriminator.taps", "deepest"},
                                                     {"task.discriminator.weight", "1"},
                                                     {"task.adversarial.weight", "3e-3"}})},
      {"f_distill",
       with(with(integral_family(three, "1e-4"), on_cifar(100000)), {{"task.loss.normalise_weight", "true"},
                                                                     {"task.fake.weighting", "none"},
                                                                     {"task.fake.in_students_step", "false"},
                                                                     {"task.ratio.bins", "linear in time"},
                                                                     {"task.discriminator.weight", "1"},
                                                                     {"task.adversarial.weight", "1e-3"}})},
      {"sid", with(sid_family(), {{"run.images", "500000000"}, {"task.loss.alpha", "1.2"}})},
      {"sida", with(sida_family(), {{"task.loss.alpha", "1"},
                                    {"task.loss.weight", "50"},  // half of 100
                                    {"task.discriminator.head", "pixel_mean"},
                                    {"task.discriminator.taps", "deepest"},
                                    {"task.discriminator.weight", "1"},
                                    {"task.adversarial.weight", "0.005"},  // half of 0.01
                                    {"task.adversarial.scaled", "true"},
                                    {"task.adversarial.start_kimg", "200"}})},
      {"uni_instruct", uni_instruct("exact")},
      {"uni_instruct_frozen", uni_instruct("frozen_ratio")},
      {"uni_instruct_paper", uni_instruct("paper")},
  };
}

std::string text_of(const config::Node& file, const std::string& path) {
  const config::Node* at = &file;
  for (size_t start = 0; at != nullptr && start <= path.size();) {
    const size_t dot = std::min(path.find('.', start), path.size());
    at = find(*at, path.substr(start, dot - start));
    start = dot + 1;
  }
  return at == nullptr || at->kind != config::Node::Kind::scalar ? "" : at->text;
}

std::set<std::string> excused(const std::filesystem::path& file) {
  const std::string mark = "# differs: ";
  std::set<std::string> keys;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(mark)) continue;
    const std::string said = line.substr(mark.size());
    const size_t colon = said.find(": ");
    keys.insert(colon == std::string::npos || said.size() < colon + 10 ? "no reason: " + said
                                                                       : said.substr(0, colon));
  }
  return keys;
}

std::vector<std::string> faults(const config::Node& file, std::set<std::string> excuses, const Facts& facts) {
  std::vector<std::string> faults;
  for (const auto& [key, value] : facts) {
    const bool excuse = excuses.erase(key) > 0, equal = same(text_of(file, key), value);
    if (!equal && !excuse) faults.push_back(key + " is '" + text_of(file, key) + "', in the paper " + value);
    if (equal && excuse) faults.push_back(key + " does not differ");
  }
  for (const std::string& key : excuses) faults.push_back("nothing is known of " + key);
  return faults;
}

}  // namespace onestep::test
