// SPDX-License-Identifier: Apache-2.0
// report.html: each part is there when it was measured, and leaves no trace when it was not.
#include <regex>
#include <set>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <catch2/catch.hpp>

#include "evaluation/influence.h"
#include "evaluation/number_text.h"
#include "evaluation/report/facts.h"
#include "evaluation/report/pictures.h"
#include "evaluation/report_toys.h"

namespace onestep {
namespace {

using Catch::Matchers::Contains;

/// What stands between a section's heading and the next.
std::string section_of(const std::string& html, const std::string& id) {
  const size_t begin = html.find("<section id=\"" + id + "\">");
  return begin == std::string::npos ? "" : html.substr(begin, html.find("</section>", begin) - begin);
}

std::set<std::string> sections_in(const std::string& html) {
  static const std::regex pattern(R"re(<section id="([a-z]+)">)re");
  std::set<std::string> ids;
  for (std::sregex_iterator it(html.begin(), html.end(), pattern), end; it != end; ++it) ids.insert((*it)[1]);
  return ids;
}

/// No heading without something under it, and every link of the contents has its place.
void is_whole(const std::string& html) {
  static const std::regex empty_section(R"re(</h2>\s*</section>)re"),
      empty_part(R"re(</h3>\s*(<h[23]|</section>|</details>))re"),
      empty_fold(R"re(</summary>\s*</details>)re"), link(R"re(<a href="#([a-z]+)">)re");
  CHECK_FALSE(std::regex_search(html, empty_section));
  CHECK_FALSE(std::regex_search(html, empty_part));
  CHECK_FALSE(std::regex_search(html, empty_fold));
  const std::set<std::string> ids = sections_in(html);
  size_t links = 0;
  for (std::sregex_iterator it(html.begin(), html.end(), link), end; it != end; ++it, ++links)
    CHECK(ids.contains((*it)[1]));
  CHECK(links == ids.size());
  for (const char* outside :
       {"<script", "<link", "@import", "url(", "src=\"/", "src=\".", ">nan", ">inf", " nan "}) {
    CAPTURE(outside);
    CHECK(count(html, outside) == 0);
  }
  CHECK(count(html, "http") == count(html, "http://www.w3.org/2000/svg"));  // a name, not an address
}

TEST_CASE("everything that was measured is on the page") {
  const Evaluation evaluation = full_evaluation();
  const std::string html = report_html(evaluation, kProvenance);
  is_whole(html);
  CHECK(sections_in(html) == std::set<std::string>{"classes", "comparison", "metrics", "origin", "others",
                                                   "paired", "provenance", "samples", "trend", "uncertainty",
                                                   "validity"});
  const Subject& first = evaluation.subjects[0];
  const SeedSetSummary sets = summary_of(first.seed_sets);
  CHECK_THAT(html, Contains("mean of 3 sets of seeds ± sd") && Contains(value_and_error(sets.mean, sets.sd)));
  CHECK_THAT(html, Contains("not the EDM protocol") && Contains("50 images instead of 50,000"));
  const std::string uncertainty = section_of(html, "uncertainty");
  CHECK(count(uncertainty, "<circle") == 15 + 1 + 2 + 4);  // subsets, FID∞, both in the legend; sets and mean
  CHECK_THAT(uncertainty,
             Contains("seeds from 100") && Contains("seeds from 150") && Contains("seeds from 200"));
  const std::string origin = section_of(html, "origin");
  CHECK_THAT(origin, Contains("mean term") && Contains("covariance term"));
  REQUIRE(evaluation.directions.size() == 4);
  CHECK(count(origin, "class=\"ends\"") == 4);
  CHECK(count(origin, "<img") == 4 * 2 * 2 * 6);  // directions, ends, generated and reference
  CHECK_THAT(section_of(html, "trend"), Contains("best: ") && Contains("after 1,000 images"));
  CHECK(count(section_of(html, "trend"), "<tr>") == 4);
  const std::string paired = section_of(html, "paired");
  CHECK_THAT(paired, Contains("Without that, its standard error would be") && Contains("seed 1"));
  CHECK(count(paired, "<img") == 2 * 2 * 12);
  const std::string samples = section_of(html, "samples");
  CHECK_THAT(samples, Contains("In no ball of the reference: ") && Contains("Not covered: ") &&
                          Contains("Nearest to the reference: smallest ratio ") &&
                          Contains("Most harmful to FID") && !Contains("Duplicates"));
  CHECK_THAT(section_of(html, "validity"), Contains("1 × 8 × 8, 8 bits"));
  CHECK_THAT(section_of(html, "provenance"), Contains("How to cite") && Contains("heusel2017gans") &&
                                                 Contains("berthet2026mind") &&
                                                 !Contains("nash2021generating"));
  CHECK_THAT(section_of(html, "metrics"), Contains("these features have no spatial part"));
}

TEST_CASE("what was not measured leaves no heading") {
  const std::string toy = report_html(toy_evaluation(), kProvenance);
  is_whole(toy);
  CHECK(sections_in(toy) == std::set<std::string>{"classes", "comparison", "origin", "others", "provenance",
                                                  "samples", "validity"});
  CHECK_THAT(section_of(toy, "samples"), !Contains("ball") && !Contains("Nearest"));

  const std::string bare = report_html(bare_evaluation(), kProvenance);
  is_whole(bare);
  CHECK(sections_in(bare) == std::set<std::string>{"origin", "provenance", "samples", "validity"});
  CHECK(count(bare, "<img") == 0);
  CHECK(count(bare, "row of the file") == 1);

  const std::string statistics = report_html(statistics_evaluation(), kProvenance);
  is_whole(statistics);
  CHECK(sections_in(statistics) == std::set<std::string>{"metrics", "origin", "provenance", "validity"});
  CHECK_THAT(section_of(statistics, "metrics"),
             Contains("Not measured: KID, ") && Contains("only statistics are known, no samples"));
  CHECK(count(section_of(statistics, "metrics"), "<tr>") == 3);  // subjects, samples, FID alone
}

TEST_CASE("text from outside is escaped wherever it stands") {
  Evaluation evaluation = full_evaluation();
  const std::string evil = "<b onclick=1>";
  for (Subject& subject : evaluation.subjects) {
    subject.name += evil;
    subject.set.source += evil;
    subject.set.sampler += evil;
  }
  evaluation.config.baseline += evil;
  evaluation.config.title = evaluation.config.trend = evil;
  evaluation.network = {.path = evil, .sha256 = evil, .origin = evil};
  evaluation.reference.set.source = evaluation.warnings.emplace_back(evil);
  for (std::string& name : evaluation.class_names) name += evil;
  Provenance provenance = kProvenance;
  provenance.command = provenance.device = provenance.onestep = evil;
  const std::string html = report_html(evaluation, provenance);
  CHECK(count(html, "<b onclick") == 0);
  CHECK(count(html, "&lt;b onclick") > 20);
}

TEST_CASE("published FIDs stand beside Inception FIDs of images of their size alone") {
  Evaluation evaluation = toy_evaluation();
  CHECK_THAT(report_html(evaluation, kProvenance), !Contains("Uni-Instruct"));
  evaluation.config.features = InceptionFeatures{.model = "inception.safetensors"};
  evaluation.network = {.path = "inception.safetensors", .sha256 = "0123", .origin = "inception.pt"};
  CHECK_THAT(report_html(evaluation, kProvenance), !Contains("Uni-Instruct"));  // 8 × 8
  at::Tensor& images = evaluation.subjects[0].set.images;
  const int64_t n = images.size(0);
  images = at::full({n, 3, 32, 32}, 7, at::kByte);
  const std::string cifar = report_html(evaluation, kProvenance);
  CHECK_THAT(cifar, Contains("Uni-Instruct, unconditional") && Contains("1.923") &&
                        Contains("departs from that protocol") && !Contains("ImageNet"));
  evaluation.network.origin = "";  // any weights
  CHECK_THAT(report_html(evaluation, kProvenance),
             !Contains("1.923") && Contains("does not say where they are from"));
  evaluation.network.origin = "inception.pt";
  images = at::full({n, 3, 64, 64}, 7, at::kByte);
  evaluation.departures.clear();
  const std::string imagenet = report_html(evaluation, kProvenance);
  CHECK_THAT(imagenet, Contains("1.524") && Contains("ImageNet 64 × 64") && Contains("class=\"pill edm\"") &&
                           !Contains("1.923") && !Contains("not the EDM protocol"));
}

TEST_CASE("features without classes make a page, too") {
  Evaluation evaluation = full_evaluation();
  for (Subject& subject : evaluation.subjects) {
    subject.set.predicted = subject.set.labels = at::Tensor();
    subject.validity.class_counts.clear();
    subject.validity.class_accuracy.reset();
  }
  evaluation.reference.set.predicted = evaluation.reference.set.labels = at::Tensor();
  evaluation.reference.validity.class_counts.clear();
  const std::string html = report_html(evaluation, kProvenance);
  is_whole(html);
  CHECK_FALSE(sections_in(html).contains("classes"));
  CHECK_THAT(html, !Contains("By class") && !Contains("seen as"));
}

TEST_CASE("duplicates are shown in pairs, and a copy of the reference as one") {
  const TemporaryFolder folder;
  Evaluation evaluation = full_evaluation();
  Subject& first = evaluation.subjects[0];
  first.set.images = first.set.images.clone();
  first.set.images[7].copy_(first.set.images[3]);
  first.validity = check_validity(first.set);
  first.measured.nearest->distance[5] = 0.0;
  const std::string samples = section_of(report_html(evaluation, kProvenance), "samples");
  CHECK_THAT(samples, Contains("Duplicates: 1 of 50 samples (2.0 %)") && Contains("seed 103 = seed 107"));
  CHECK_THAT(samples, Contains("smallest ratio 0, 1 sample with the very features") &&
                          Contains("seed 105 | reference"));
}

TEST_CASE("classes: shares, accuracy and mean influence") {
  Evaluation evaluation = toy_evaluation();
  Subject& first = evaluation.subjects[0];
  const int64_t n = first.set.size();
  first.set.labels = at::full({n}, 1, at::kLong);
  first.set.labels.narrow(0, 0, 10).fill_(0);
  first.set.predicted = first.set.labels.clone();
  first.set.predicted.narrow(0, 0, 5).fill_(1);
  first.score.influence = first.set.labels.to(at::kDouble) * -2.0 + 3.0;
  const std::vector<ClassFacts> facts = class_facts(evaluation, first);
  REQUIRE(facts.size() >= 2);
  CHECK(*facts[0].asked == Approx(10.0 / static_cast<double>(n)));
  CHECK(*facts[0].seen == Approx(5.0 / static_cast<double>(n)));
  CHECK(*facts[0].right == Approx(0.5));
  CHECK(*facts[1].right == Approx(1.0));
  CHECK(facts[0].influence->value == Approx(3.0));
  CHECK(facts[1].influence->value == Approx(1.0));
  CHECK(*facts[1].influence->se == Approx(0.0).margin(1e-12));
  // The most harmful class comes first.
  const std::string html = section_of(report_html(evaluation, kProvenance), "classes");
  CHECK(html.find("<td>0</td>") < html.find("<td>1</td>"));
}

TEST_CASE("what is told of directions and neighbours is what their tensors hold") {
  const Evaluation evaluation = full_evaluation();
  const Direction& top = evaluation.directions.front();
  const DirectionFacts facts = direction_facts(evaluation, top);
  CHECK(facts.share == Approx(top.fid / evaluation.subjects[0].score.fid.value));
  CHECK(*facts.shift >= 0.0);  // axes point from the reference's mean to the generated one
  const at::Tensor real = evaluation.reference.set.features.to(at::kDouble).matmul(top.axis);
  CHECK(*facts.spread ==
        Approx(facts.generated.std().item<double>() / real.std().item<double>()).epsilon(1e-5));
  const Measurements& measured = evaluation.subjects[0].measured;
  const NeighbourFacts near = neighbour_facts(*measured.neighbourhood);
  CHECK(near.uncovered == (measured.neighbourhood->contained == 0).sum().item<int64_t>());
  CHECK(near.in_no_ball == (measured.neighbourhood->balls == 0).sum().item<int64_t>());
  // The gain of pairing: the paired error is that of the differences.
  const at::Tensor difference = paired_difference(evaluation);
  REQUIRE(difference.defined());
  CHECK(*evaluation.verdict->se == Approx(*influence_standard_error(difference, kToyFeatures)));
  CHECK(*independent_error(evaluation) > 0.0);
}

TEST_CASE("large images are shrunk, and fewer are shown") {
  const at::Tensor small = at::full({9, 1, 28, 28}, 3, at::kByte),
                   large = at::full({9, 3, 256, 256}, 3, at::kByte);
  CHECK(affordable(small, 100) == 100);
  CHECK(affordable(at::full({9, 3, 32, 32}, 3, at::kByte), 100) == 100);
  CHECK(affordable(large, 100) == 25);
  CHECK(affordable(large, 3) == 2);
  CHECK(picture(large[0], "x").size() < 600);
  CHECK_THAT(picture(large[0], "x"), Contains("width=\"96\""));
}

TEST_CASE("a page of colour images stays small, even of noise, which no PNG makes smaller") {
  Evaluation evaluation = full_evaluation();
  const auto fill = [](FeatureSet& set, uint64_t seed) {
    set.images = (normal_features(seed, set.size(), 3 * 64 * 64) * 40 + 128)
                     .clamp(0, 255)
                     .to(at::kByte)
                     .reshape({set.size(), 3, 64, 64});
  };
  for (Subject& subject : evaluation.subjects) fill(subject.set, 1);
  fill(evaluation.reference.set, 2);
  const size_t size = report_html(evaluation, kProvenance).size();
  CHECK(size < 3'000'000);
  CHECK(size > 1'000'000);  // and not for want of images
}

}  // namespace
}  // namespace onestep
