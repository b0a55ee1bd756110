// SPDX-License-Identifier: Apache-2.0
// onestep-sample: what a run that goes on was, what a folder holds, and names, seeds and numbers that are
// refused.
#include <algorithm>

#include <ATen/TensorOperators.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "closeness.h"
#include "sample_models.h"

using namespace onestep;
using Catch::Matchers::Contains;
using test::json_of;
using test::Models;
using test::Said;
namespace fs = std::filesystem;

TEST_CASE("onestep-sample: a run that is cut goes on as it began, without being told how") {
  const Models models;
  const auto run = [&](const std::string& arguments) {
    const Said said = models.sample(arguments);
    INFO(said.err);
    REQUIRE(said.code == 0);
    return said;
  };
  const std::string how = models.unet +
                          " --precision float64 --solver euler_ancestral --eta 0.5 --guidance 2 --guide " +
                          models.path("guide.safetensors") + " --threshold static --class 1 ";
  fs::copy(models.unet, models.path("guide.safetensors"));
  const std::string whole = "--steps 6 --sigma-max 80 --seeds 3,9 ";
  run(how + whole + "--raw " + models.path("whole.safetensors"));
  run(how + whole + "--stop-after 2 --raw " + models.path("cut.safetensors"));
  const std::string cut = " --latents " + models.path("cut.safetensors");
  const Said said = run(models.unet + cut + " --raw " + models.path("rest.safetensors"));
  CHECK_THAT(said.out, Contains("euler_ancestral"));
  CHECK(test::relative_error(models.raw("rest.safetensors"), models.raw("whole.safetensors")) < 1e-12);
  const nlohmann::json rest = json_of(models.folder / "rest.safetensors.json");
  const nlohmann::json first = json_of(models.folder / "whole.safetensors.json");
  for (const char* key : {"model", "guide", "precision"}) CHECK(rest.at(key) == first.at(key));
  CHECK(rest.at("sampler").at("guidance") == 2);

  const auto refused = [&](const std::string& arguments, int code, const std::string& what) {
    const Said ended = models.sample(arguments + " --raw " + models.path("x.safetensors"));
    CHECK(ended.code == code);
    CHECK_THAT(ended.err, Contains("cut.safetensors") && Contains(what));
    CHECK_FALSE(fs::exists(models.folder / "x.safetensors"));
  };
  refused(models.mixture + cut, 2, "another model");
  refused(models.unet + cut + " --guide " + models.mixture, 2, "another guide");
}

TEST_CASE("onestep-sample: a multistep run that is cut says that its history is lost") {
  const Models models;
  const std::string cut = models.path("cut.safetensors"), raw = " --raw " + models.path("x.safetensors");
  REQUIRE(models
              .sample(models.unet +
                      " --solver dpmpp2m --steps 6 --sigma-max 80 --seeds 3 --stop-after 2 --raw " + cut)
              .code == 0);
  const Said said = models.sample(models.unet + " --latents " + cut + raw);
  CHECK(said.code == 0);
  CHECK_THAT(said.err, Contains("warning: dpmpp2m goes on without what it knew"));
}

TEST_CASE("onestep-sample: a folder holds the samples of one run, and samples.json lists all of them") {
  const Models models;
  const std::string out = " --out " + models.path("out");
  const auto list = [&](const std::string& key) {
    return json_of(models.folder / "out/samples.json").at(key);
  };
  REQUIRE(models.sample(models.unet + " --seeds 4-6" + out).code == 0);
  REQUIRE(models.sample(models.unet + " --seeds 1,5" + out).code == 0);  // 5 once more, the same
  CHECK(list("seeds") == std::vector<int>{1, 4, 5, 6});
  CHECK(list("classes").size() == 4);
  fs::remove(models.folder / "out/000004.png");
  REQUIRE(models.sample(models.unet + " --seeds 9" + out).code == 0);
  CHECK(list("seeds") == std::vector<int>{1, 5, 6, 9});

  const auto refused = [&](const std::string& arguments, const std::string& what) {
    CAPTURE(arguments);
    const auto before = read_bytes(models.folder / "out/samples.json");
    const Said said = models.sample(arguments);
    CHECK(said.code == 2);
    CHECK_THAT(said.err, Contains(what));
    CHECK(said.err.find("100 %") == std::string::npos);  // before drawing
    CHECK(read_bytes(models.folder / "out/samples.json") == before);
  };
  refused(models.unet + " --seeds 0 --sigma-max 3" + out, "samples of another run (another sampler)");
  refused(models.unet + " --seeds 0 --precision float64" + out, "another precision");
  fs::copy(models.unet, models.path("copy.safetensors"));  // a path is no content
  CHECK(models.sample(models.path("copy.safetensors") + " --seeds 1" + out).code == 0);
  refused(models.unet + " --seeds 0 --subdirs" + out, "would be taken for a sample");
  for (const char* option : {"--grid-file", "--trajectory"})
    refused(models.unet + " --seeds 0 " + option + " " + models.path("out/x.png") + out, option);
  refused(models.unet + " --seeds 0 --grid-file " + models.path("out/x.png"), "--grid-file");
  refused(models.unet + " --compare heun --steps-list 2 --seeds 0" + out, "--compare");
  fs::copy(models.folder / "out/000001.png", models.folder / "out/photo.PNG");
  refused(models.unet + " --seeds 9" + out, "'photo.PNG'");
}

TEST_CASE("onestep-sample: lists of seeds that name nothing, or one seed twice, are refused before drawing") {
  const Models models;
  const std::string out = " --out " + models.path("out");
  const auto [seeds, what] = GENERATE(table<std::string, std::string>({{"0,0,1", "seeds: 0 is named twice"},
                                                                       {"0-5,3", "seeds: 3 is named twice"},
                                                                       {"''", "--seeds"},
                                                                       {"4,", "seeds: expected"},
                                                                       {"' '", "seeds: expected"}}));
  const Said said = models.sample(models.unet + " --seeds " + seeds + out);
  CHECK(said.code == 2);
  CHECK_THAT(said.err, Contains(what));
  CHECK_FALSE(fs::exists(models.folder / "out"));
}

TEST_CASE("onestep-sample: ~ is no folder, in any option that takes a path") {
  const Models models;
  for (const char* option :
       {"--out", "--zip", "--npz", "--grid-file", "--trajectory", "--raw", "--guide", "--latents"}) {
    for (const char* place : {"'~/x.png'", "'~'", "'~root/x'"}) {
      CAPTURE(option, place);
      const Said said = models.sample(models.unet + " --seeds 0 " + option + "=" + place);
      CHECK(said.code == 2);
      CHECK_THAT(said.err, Contains(option) && Contains("~ is not expanded here"));
    }
  }
  CHECK_FALSE(fs::exists("~"));
  const Said empty = models.sample(models.unet + " --seeds 0 --out ''");
  CHECK(empty.code == 2);
  CHECK_THAT(empty.err, Contains("--out"));
}

TEST_CASE(
    "onestep-sample: a path that is not UTF-8, or that a terminal would obey, is escaped wherever it is "
    "told") {
  const Models models;
  const std::string name =
      GENERATE(as<std::string>{}, "caf\xe9", "a\x1b[31mb", "a\nb", "\xe2\x80\xaetxt", "a\x07");
  const fs::path model = models.folder / (name + ".safetensors"), out = models.folder / (name + ".out");
  fs::copy(models.unet, model);
  const Said said =
      models.sample("'" + model.string() + "' --seeds 0,1 --out '" + out.string() + "' --grid 1x2");
  INFO(said.err);
  CHECK(said.code == 0);
  CHECK(fs::exists(out / "000001.png"));
  const Said missing = models.sample("'" + model.string() + ".gone' --seeds 0 --out '" + out.string() + "'");
  CHECK(missing.code == 3);
  CHECK_THAT(missing.err, Contains("No such file"));
  for (const std::string& text : {said.out, said.err, missing.err, read_bytes(out / "samples.json"),
                                  read_bytes(out / "000001.png").substr(0, 2000)})
    CHECK(text.find(name) == std::string::npos);
  CHECK(json_of(out / "samples.json").at("model").at("path").get<std::string>().find('\\') !=
        std::string::npos);
}

TEST_CASE("onestep-sample: numbers beyond float32 are refused by name and range") {
  const Models models;
  const auto [arguments, key, range] = GENERATE(table<std::string, std::string, std::string>(
      {{"--sigma-max 1e39", "sigma_max", "[1e-09, 1e+09]"},
       {"--sigma-max 1e30", "sigma_max", "[1e-09, 1e+09]"},
       {"--sigma-min 1e-300", "sigma_min", "[1e-09, 1e+09]"},
       {"--sigmas 1e308,1,0", "sigmas", "[0, 1e+09]"},
       {"--guidance 1e39", "guidance", "[0, 1e+09]"},
       {"--solver euler_ancestral --eta 1e300", "eta", "3.4e38"},
       {"--solver euler_ancestral --noise-scale 1e39", "noise_scale", "3.4e38"},
       {"--solver heun --churn 1e39", "churn", "3.4e38"},
       {"--rho 1e39", "rho", "3.4e38"}}));
  CAPTURE(arguments);
  const Said said =
      models.sample(models.unet + " --seeds 0 --raw " + models.path("x.safetensors") + " " + arguments);
  CHECK(said.code == 2);
  CHECK_THAT(said.err, Contains(key) && Contains(range));
}

TEST_CASE("onestep-sample: results that cannot be told are an error") {
  const Models models;
  for (const std::string& arguments : {std::string("--list"), std::string("--help"), std::string("--version"),
                                       models.unet + " --seeds 0 --raw " + models.path("x.safetensors")}) {
    CAPTURE(arguments);
    for (const char* where : {" >/dev/full", " >&-"}) {
      const Said said = test::run_command("onestep-sample " + arguments + where + " #");
      CHECK(said.code == 3);
    }
  }
}

TEST_CASE("onestep-sample: a class of which the model saw no image is drawn only if it is asked for") {
  const Models models;
  const io::TensorFile unet = io::read_safetensors(models.unet);
  auto metadata = unet.metadata;
  metadata["onestep.data"] = R"({"mean": [0.0], "std": [1.0], "class_counts": [5, 0, 2]})";
  const std::string model = models.path("gap.safetensors");
  io::write_safetensors(model, unet.tensors, metadata);
  const auto classes = [&](const std::string& arguments, bool warned) {
    const Said said = models.sample(model + arguments + " --raw " + models.path("x.safetensors"));
    INFO(said.err);
    REQUIRE(said.code == 0);
    CHECK((said.err.find("class 1 has no image in its training data") != std::string::npos) == warned);
    return json_of(models.folder / "x.safetensors.json").at("classes").get<std::vector<int>>();
  };
  const std::vector<int> drawn = classes(" --seeds 0-40", true);
  CHECK(std::ranges::count(drawn, 1) == 0);
  CHECK(std::ranges::count(drawn, 2) > 0);
  CHECK(classes(" --seeds 0-2 --class 1", false) == std::vector<int>{1, 1, 1});
  REQUIRE(models.sample(model + " --class-grid 2 --grid-file " + models.path("s.png")).code == 0);
  CHECK(json_of(models.folder / "s.png.json").at("classes") == std::vector<int>{0, 0, 2, 2});
}
