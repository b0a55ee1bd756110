// SPDX-License-Identifier: Apache-2.0
// report.json of every kind against lib/evaluation/report.schema.json, by scripts/validate_report.py.
#include <cstdlib>
#include <string>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "evaluation/report_toys.h"

namespace onestep {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::ordered_json;

struct Checked {
  int code;
  std::string said;
};

Checked validate(const TemporaryFolder& folder, const std::string& files) {
  const std::string out = (folder / "said").string();
  const std::string command =
      "python3 " + std::string(ONESTEP_SOURCE) + "/scripts/validate_report.py" + files + " >" + out + " 2>&1";
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), read_bytes(out)};
}

Checked validate(const Json& report) {
  const TemporaryFolder folder;
  write_bytes(folder / "report.json", report.dump());
  return validate(folder, " " + (folder / "report.json").string());
}

TEST_CASE("report.json of every kind follows the schema") {
  const TemporaryFolder folder;
  std::string files;
  const auto add = [&](const std::string& name, const Evaluation& evaluation) {
    write_bytes(folder / (name + ".json"), report_json(evaluation, kProvenance).dump(1));
    files += " " + (folder / (name + ".json")).string();
  };
  add("toy", toy_evaluation());
  add("full", full_evaluation());
  add("bare", bare_evaluation());
  add("bare_all", bare_evaluation("all"));
  add("statistics", statistics_evaluation());
  const Checked checked = validate(folder, files);
  CHECK(checked.said == "");
  CHECK(checked.code == 0);
}

TEST_CASE("a key that the schema does not know, or that is missing, is found at every depth") {
  const Json good = report_json(full_evaluation(), kProvenance);
  const auto refused = [&](const std::string& place, const auto& change) {
    Json report = good;
    change(report);
    const Checked checked = validate(report);
    CAPTURE(place, checked.said);
    CHECK(checked.code == 1);
    CHECK_THAT(checked.said, Contains(place));
  };
  refused("$: ", [](Json& r) { r["extra"] = 1; });
  refused("$.subjects[0]: ", [](Json& r) { r["subjects"][0]["extra"] = 1; });
  refused("$.metrics.kid: ", [](Json& r) { r["metrics"]["kid"]["extra"] = 1; });
  refused("$.metrics.fid.seed_sets: ", [](Json& r) { r["metrics"]["fid"]["seed_sets"]["extra"] = 1; });
  refused("$.metrics: ", [](Json& r) { r["metrics"]["new_metric"] = r["metrics"]["kid"]; });
  refused("$.verdict: ", [](Json& r) { r["verdict"]["extra"] = 1; });
  refused("$.trend[0]: ", [](Json& r) { r["trend"][0]["extra"] = 1; });
  refused("$.directions[0]: ", [](Json& r) { r["directions"][0]["extra"] = 1; });
  refused("$.provenance.config: ", [](Json& r) { r["provenance"]["config"]["extra"] = 1; });
  refused("$.metrics.fid: ", [](Json& r) { r["metrics"]["fid"].erase("mean_term"); });
  refused("$.schema: ", [](Json& r) { r["schema"] = 2; });
}

}  // namespace
}  // namespace onestep
