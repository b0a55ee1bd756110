// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <regex>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "io/image.h"
#include "io/jsonl.h"
#include "pages/html.h"
#include "pages/svg_chart.h"
#include "temporary_folder.h"
#include "training/loop.h"
#include "training/run_report.h"

using namespace onestep;
using Catch::Contains;

namespace {

size_t count(const std::string& text, const std::string& piece) {
  size_t found = 0;
  for (size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) ++found;
  return found;
}

/// The chart of a number or a list, by what a screen reader says of it; "" where there is none.
std::string chart_of(const std::string& html, const std::string& key) {
  const size_t begin = html.find("aria-label=\"" + key + " over");
  return begin == std::string::npos ? "" : html.substr(begin, html.find("</svg>", begin) - begin);
}

size_t points_of(const std::string& chart) {
  static const std::regex line(R"re(<polyline[^>]*points="([^"]*)")re");
  size_t points = 0;
  for (std::sregex_iterator it(chart.begin(), chart.end(), line), none; it != none; ++it)
    points += count((*it)[1], ",");
  return points;
}

/// A run's folder with this configuration.
RunFolder folder_of(const std::filesystem::path& root, const std::string& yaml) {
  const Run run =
      open_run(root, {.configuration = config::parse("{}", "test"), .sources = {}, .budget_problem = ""});
  write_bytes(run.folder.config(), yaml);
  return run.folder;
}

std::string write_and_read(const RunFolder& folder, const std::vector<Figure>& figures = {}) {
  write_run_report(folder, "the run", figures, read_history(folder.log(), ""));
  return read_bytes(folder.root / "report.html");
}

}  // namespace

TEST_CASE("A run's report: a chart for each number of the log, lists by bin, and nothing from elsewhere") {
  const TemporaryFolder temporary;
  const RunFolder folder = folder_of(temporary / "run", "run: {seed: 12345}\n");
  CHECK_THAT(write_and_read(folder), Contains("Nothing has been logged yet."));
  {
    io::JsonLines log(folder.log());
    log.append({{"nimg", 100}, {"loss", 3.0}, {"fake", 1.0}, {"ratio/bin_mean", {1.0, 2.0}}});
    log.append({{"nimg", 200}, {"loss", NAN}, {"ratio/bin_mean", {1.0, NAN, 3.0, 4.0}}});
    log.append({{"nimg", 300}, {"loss", 1.0}, {"ratio/mean", 1.5}, {"note", "<script>"}});
    log.append({{"nimg", 400}, {"loss", 0.5}, {"ratio/mean", 1.25}, {"fake", 2.0}});
  }
  const std::string html = write_and_read(folder);
  CHECK(count(html, "<svg") == count(html, "</svg>"));
  CHECK(points_of(chart_of(html, "loss")) == 3);  // the NaN is left out
  CHECK(points_of(chart_of(html, "fake")) == 2);
  CHECK(points_of(chart_of(html, "ratio/mean")) == 2);
  CHECK(points_of(chart_of(html, "ratio/bin_mean")) == 3);  // of the last list
  CHECK(chart_of(html, "nimg").empty());
  CHECK_THAT(html, Contains("the run") && Contains("seed: 12345") && Contains("bin of ln sigma"));
  CHECK_THAT(html, !Contains("<script") && !Contains("href=") && !Contains("src="));
  // Numbers of a group are folded together, the headline ones are not.
  CHECK(html.find("aria-label=\"fake over") < html.find("<details"));
  CHECK(html.find("aria-label=\"ratio/mean over") > html.find("<details"));
}

TEST_CASE("A run's report: figures, kept as files of their own too, and the newest sheet") {
  const TemporaryFolder temporary;
  const RunFolder folder = folder_of(temporary / "run", "run: {}\n");
  io::write_png(folder.samples() / (nimg_stem(1000) + ".png"), at::zeros({1, 8, 8}, at::kByte));
  io::write_png(folder.samples() / (nimg_stem(20'000) + ".png"), at::full({1, 8, 8}, 99, at::kByte));
  write_bytes(folder.samples() / "zzz.txt", "no picture");
  const std::string svg = pages::line_chart({{"line", {0, 1}, {0, 1}}}, {"x", "y"});
  const std::string html = write_and_read(folder, {{"plane", "A plane", svg}, {"scores", "<Scores>", svg}});
  CHECK_THAT(html, Contains(svg) && Contains("A plane</figcaption>") && Contains("&lt;Scores&gt;"));
  for (const char* name : {"plane.svg", "scores.svg"})
    CHECK_THAT(read_bytes(folder.root / name), Catch::StartsWith("<?xml"));
  CHECK(count(html, "data:image/png;base64,") == 1);
  CHECK_THAT(html, Contains(pages::png_data_uri(read_bytes(folder.samples() / "000000020000.png"))) &&
                       Contains("after 000000020000 images"));
}

TEST_CASE("A run's report: hostile text in configuration and log is text") {
  const TemporaryFolder temporary;
  const RunFolder folder =
      folder_of(temporary / "run", "run: {dir: \"</pre><script>alert('1')</script>&\"}\n");
  {
    io::JsonLines log(folder.log());
    log.append({{"nimg", 1}, {"<img src=x onerror=alert(1)>", 2.0}, {"</details>/<b>", 1.0}});
  }
  const std::string html = write_and_read(folder);
  CHECK_THAT(html, !Contains("<script") && !Contains("<img src=x") && !Contains("<b>"));
  CHECK_THAT(html, Contains("&lt;/pre&gt;&lt;script&gt;") && Contains("&lt;img src=x"));
  CHECK(count(html, "<details") == count(html, "</details>"));
}

TEST_CASE("A run's report: what is damaged in the log is left out") {
  const TemporaryFolder temporary;
  const RunFolder folder = folder_of(temporary / "run", "run: {}\n");
  write_bytes(
      folder.log(),
      "{\"nimg\": 1, \"loss\": 2, \"fid\": 5}\nnot json\n{\"fid\": 1}\n{\"nimg\": \"x\", \"fid\": 2}\n"
      "{\"nimg\": 1e300, \"fid\": 3}\n{\"nimg\": null, \"loss\": {}, \"fid\": [4]}\n");
  write_run_report(folder, "the run", {}, read_history(folder.log(), "fid"));
  CHECK_THAT(read_bytes(folder.root / "report.html"), Contains("The best is 5 after 1 images"));
}

TEST_CASE("run.model_images keeps the models on the way; the report is there when the run is") {
  const TemporaryFolder temporary;
  const Dataset data{.name = "tiny",
                     .images = at::zeros({10, 1, 2, 2}, at::kByte),
                     .labels = at::zeros({10}, at::kLong),
                     .class_names = {"only"}};
  at::Tensor seen = at::zeros({}, at::kDouble);
  Task task{.step =
                [&](const Step& step) {
                  seen.add_(static_cast<double>(step.size));
                  StepStats stats;
                  stats.add("loss", at::full({}, 1.0));
                  return stats;
                },
            .state = {{"seen", seen}},
            .model =
                [&] {
                  return io::TensorFile{.tensors = {{"seen", seen}}};
                }};
  const auto train = [&](const std::string& name, int64_t model_images) {
    seen.zero_();
    const RunConfig config{.dir = temporary / name,
                           .images = 100,
                           .batch = 8,
                           .tick_images = 50,
                           .checkpoint_images = 1000,
                           .model_images = model_images};
    const Run run = open_run(
        config.dir, {.configuration = config::parse("run: {}", "test"), .sources = {}, .budget_problem = ""});
    CHECK(run_training(config, "the run", &run, data, task, [] { return false; }) == RunEnd::finished);
    return run.folder;
  };
  const RunFolder kept = train("kept", 30);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kept.models()))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"000000000032.safetensors", "000000000064.safetensors",
                                          "000000000096.safetensors"});
  CHECK(io::read_safetensors(kept.models() / names[1]).at("seen").item<double>() == 64);
  CHECK(io::read_safetensors(kept.model()).at("seen").item<double>() == 100);
  CHECK_FALSE(chart_of(read_bytes(kept.root / "report.html"), "loss").empty());
  CHECK_FALSE(std::filesystem::exists(train("none", 0).models()));
}
