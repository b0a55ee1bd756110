// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report/citations.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "evaluation/number_text.h"
#include "evaluation/remarks.h"
#include "evaluation/report/html_parts.h"
#include "io/progress.h"

namespace onestep {
namespace {

struct Citation {
  std::string bibtex;
  std::function<bool(const Evaluation&)> used;
};

/// Whether one of the metrics was asked for.
std::function<bool(const Evaluation&)> measured(std::vector<std::string> keys) {
  return [keys = std::move(keys)](const Evaluation& evaluation) {
    return std::ranges::any_of(evaluation.subjects.front().measured.values, [&](const MetricValue& metric) {
      return metric.value && std::ranges::find(keys, metric.key) != keys.end();
    });
  };
}

bool uses_inception(const Evaluation& evaluation) {
  return features_kind(evaluation) == InceptionFeatures::kind;
}

const std::vector<Citation>& citations() {
  static const std::vector<Citation> table{
      {R"(@inproceedings{heusel2017gans,
  title = {{GANs} Trained by a Two Time-Scale Update Rule Converge to a Local {Nash} Equilibrium},
  author = {Heusel, Martin and Ramsauer, Hubert and Unterthiner, Thomas and Nessler, Bernhard and Hochreiter, Sepp},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2017}
})",
       [](const Evaluation&) { return true; }},
      {R"(@inproceedings{szegedy2016rethinking,
  title = {Rethinking the {Inception} Architecture for Computer Vision},
  author = {Szegedy, Christian and Vanhoucke, Vincent and Ioffe, Sergey and Shlens, Jon and Wojna, Zbigniew},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year = {2016}
})",
       uses_inception},
      {R"(@inproceedings{karras2022elucidating,
  title = {Elucidating the Design Space of Diffusion-Based Generative Models},
  author = {Karras, Tero and Aittala, Miika and Aila, Timo and Laine, Samuli},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2022}
})",
       [](const Evaluation& evaluation) { return evaluation.config.protocol == "edm"; }},
      {R"(@inproceedings{binkowski2018demystifying,
  title = {Demystifying {MMD} {GANs}},
  author = {Bi{\'n}kowski, Miko{\l}aj and Sutherland, Danica J. and Arbel, Michael and Gretton, Arthur},
  booktitle = {International Conference on Learning Representations},
  year = {2018}
})",
       measured({"kid"})},
      {R"(@inproceedings{salimans2016improved,
  title = {Improved Techniques for Training {GANs}},
  author = {Salimans, Tim and Goodfellow, Ian and Zaremba, Wojciech and Cheung, Vicki and Radford, Alec and Chen, Xi},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2016}
})",
       measured({"is"})},
      {R"(@inproceedings{kynkaanniemi2019improved,
  title = {Improved Precision and Recall Metric for Assessing Generative Models},
  author = {Kynk{\"a}{\"a}nniemi, Tuomas and Karras, Tero and Laine, Samuli and Lehtinen, Jaakko and Aila, Timo},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2019}
})",
       measured({"precision", "recall"})},
      {R"(@inproceedings{naeem2020reliable,
  title = {Reliable Fidelity and Diversity Metrics for Generative Models},
  author = {Naeem, Muhammad Ferjad and Oh, Seong Joon and Uh, Youngjung and Choi, Yunjey and Yoo, Jaejun},
  booktitle = {International Conference on Machine Learning},
  year = {2020}
})",
       measured({"density", "coverage"})},
      {R"(@inproceedings{nash2021generating,
  title = {Generating Images with Sparse Representations},
  author = {Nash, Charlie and Menick, Jacob and Dieleman, Sander and Battaglia, Peter W.},
  booktitle = {International Conference on Machine Learning},
  year = {2021}
})",
       measured({"sfid"})},
      {R"(@inproceedings{chong2020effectively,
  title = {Effectively Unbiased {FID} and {Inception} Score and Where to Find Them},
  author = {Chong, Min Jin and Forsyth, David},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year = {2020}
})",
       measured({"fid_infinity"})},
      {R"(@misc{berthet2026mind,
  title = {{MIND}: {Monge} Inception Distance for Generative Models Evaluation},
  author = {Berthet, Quentin and Wu, Yu-Han and Crepy, Cl{\'e}ment and Elie, Romuald and Greff, Klaus and Sander, Micha{\"e}l E.},
  eprint = {2605.06797},
  archiveprefix = {arXiv},
  year = {2026}
})",
       measured({"mind"})},
      {R"(@inproceedings{alaa2022faithful,
  title = {How Faithful is your Synthetic Data? {Sample}-level Metrics for Evaluating and Auditing Generative Models},
  author = {Alaa, Ahmed and van Breugel, Boris and Saveliev, Evgeny S. and van der Schaar, Mihaela},
  booktitle = {International Conference on Machine Learning},
  year = {2022}
})",
       measured({"authpct"})},
      {R"(@misc{dufour2026lottery,
  title = {The {FID} Lottery: Quantifying Hidden Randomness in Generative-Model Evaluation},
  author = {Dufour, Nicolas and Efros, Alexei A. and P{\'e}rez, Patrick},
  eprint = {2606.20536},
  archiveprefix = {arXiv},
  year = {2026}
})",
       [](const Evaluation& evaluation) { return evaluation.verdict.has_value(); }},
  };
  return table;
}

std::string hash_text(const std::string& sha256) {
  constexpr size_t kShown = 12;
  return sha256.empty() ? "" : std::string(" (SHA-256 ") + sha256.substr(0, kShown) + "…)";
}

/// "2,000 images drawn for the seeds 0 to 1,999 by heun, 18 steps from sigma 80 (35 network evaluations an
/// image)", or what else the set is.
std::string set_text(const Evaluation& evaluation, const Subject& subject) {
  const FeatureSet& set = subject.set;
  const std::string n = set.size() > 0 ? io::format_count(set.size()) : "an unknown number of";
  if (subject.kind != ModelSubject::kind)
    return n + (set.images.defined() ? " images" : " samples") + " of " + set.source + hash_text(set.sha256);
  const int64_t first = evaluation.config.first_seed;
  return n + " images drawn for the seeds " + io::format_count(first) + " to " +
         io::format_count(first + set.size() - 1) + " by " + set.source + hash_text(set.sha256) + " with " +
         set.sampler + ", " + counted(set.nfe.value_or(0), "network evaluation") + " an image";
}

std::string features_text(const Evaluation& evaluation) {
  const std::string kind = features_kind(evaluation), d = io::format_count(evaluation.reference.set.width());
  const std::string width = std::string(", d = ") + d;
  if (kind == "file") return "features read from files" + width;
  if (kind == PixelFeatures::kind) return "pixels as features" + width;
  const NetworkFile& file = evaluation.network;
  const std::string weights = file.origin.empty() ? "" : " under the weights of " + file.origin;
  const std::string network = kind == InceptionFeatures::kind ? "the features of FID's Inception-v3" + weights
                              : kind == ClassifierFeatures::kind
                                  ? "the features of a classifier trained on this data"
                                  : "the features of a TorchScript network";
  return network + hash_text(file.sha256) + width;
}

/// What stands behind several sets of seeds.
std::string sets_text(const Subject& subject) {
  if (subject.seed_sets.empty()) return "";
  const SeedSetSummary summary = summary_of(subject.seed_sets);
  return std::string(" Over ") + counted(static_cast<int64_t>(subject.seed_sets.size()), "such set") +
         " of consecutive seeds the smallest FID is " + number_text(summary.min, 4) + ", the mean " +
         number_text(summary.mean, 4) + " with a standard deviation of " + number_text(summary.sd, 2) + ".";
}

}  // namespace

std::string bibliography(const Evaluation& evaluation) {
  std::string text;
  for (const Citation& citation : citations())
    if (citation.used(evaluation)) text += (text.empty() ? "" : "\n\n") + citation.bibtex;
  return text;
}

std::string methods_text(const Evaluation& evaluation, const Provenance& provenance) {
  const Subject& first = evaluation.subjects.front();
  const FeatureSet& real = evaluation.reference.set;
  std::string text = std::string("FID compares ") + set_text(evaluation, first) + ", with " +
                     (real.size() > 0 ? io::format_count(real.size()) + " of " : std::string()) +
                     real.source + hash_text(real.sha256) + ", in " + features_text(evaluation) + "; " +
                     (first.set.images.defined() ? "images are quantised to 8 bits, " : "") +
                     "means and covariances (over N − 1) are computed in float64: " + fid_text(first);
  if (first.score.se) text += " (± one standard error of the generated sample, from the influence function)";
  text += std::string(".") + sets_text(first);
  if (!evaluation.departures.empty() || first.kind != ModelSubject::kind)
    return text + " Computed with OneStep " + provenance.onestep + ".";
  return text + " This is the EDM protocol (Karras et al. 2022). Computed with OneStep " +
         provenance.onestep + ".";
}

}  // namespace onestep
