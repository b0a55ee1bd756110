// SPDX-License-Identifier: Apache-2.0
// onestep-sample as a user meets it: what it draws, where it goes, and one clear line for each bad input.
#include <algorithm>
#include <set>
#include <sstream>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "closeness.h"
#include "command.h"
#include "io/image.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "networks/denoiser.h"
#include "sample_models.h"

using namespace onestep;
using Catch::Matchers::Contains;
using test::json_of;
using test::kMixture;
using test::Models;
using test::run_command;
using test::Said;
namespace fs = std::filesystem;

TEST_CASE("onestep-sample: latents through a mixture in float64 give the EDM sampler's numbers") {
  const Models models;
  io::write_safetensors(models.folder / "z.safetensors",
                        {{"latents", models.reference.at("latents").reshape({3, 1, 1, 4})}});
  const Said said =
      models.sample(models.mixture + " --solver heun --steps 10 --precision float64 --latents " +
                    models.path("z.safetensors") + " --raw " + models.path("x.safetensors"));
  INFO(said.err);
  REQUIRE(said.code == 0);
  CHECK_THAT(said.out,
             Contains("heun: 3 samples, NFE 19 each") && Contains("images/s") && Contains("x.safetensors"));
  const at::Tensor x = models.raw("x.safetensors");
  CHECK(x.scalar_type() == at::kDouble);
  CHECK(test::relative_error(x, models.reference.at("final").reshape({3, 1, 1, 4})) < 1e-9);

  const nlohmann::json sidecar = json_of(models.folder / "x.safetensors.json");
  CHECK(sidecar.at("schema") == 1);
  CHECK(sidecar.at("nfe") == 19);
  CHECK(sidecar.at("precision") == "float64");
  CHECK(sidecar.at("sampler").at("steps") == 10);
  CHECK(sidecar.at("sigmas").size() == 11);
  CHECK(sidecar.at("seeds") == std::vector<int>{0, 1, 2});
  CHECK(sidecar.at("model").at("sha256").get<std::string>().size() == 64);
  CHECK(sidecar.at("versions").contains("libtorch"));
}

TEST_CASE("onestep-sample: the same bits at batch 1, 7 and 64, alone or among others") {
  const Models models;
  const std::string model = GENERATE(true, false) ? models.unet : models.mixture;
  const auto raw = [&](const std::string& arguments) {
    const Said said = models.sample(model + " --solver heun --steps 4 --sigma-max 80 --raw " +
                                    models.path("x.safetensors") + " " + arguments);
    INFO(said.err);
    REQUIRE(said.code == 0);
    return models.raw("x.safetensors");
  };
  const at::Tensor whole = raw("--seeds 0-21 --batch 64");
  CHECK(at::equal(raw("--seeds 0-21 --batch 1"), whole));
  CHECK(at::equal(raw("--seeds 0-21 --batch 7"), whole));
  CHECK(at::equal(raw("--seeds 13")[0], whole[13]));
  CHECK_FALSE(at::equal(whole[0], whole[1]));
}

TEST_CASE("onestep-sample: a folder of images, their sheet and their settings") {
  const Models models;
  const Said said = models.sample(models.unet + " --seeds 3,10-12 --grid 2x2 --zoom 2 --out " +
                                  models.path("out") + " --raw " + models.path("x.safetensors"));
  INFO(said.err);
  REQUIRE(said.code == 0);
  CHECK_THAT(said.out, Contains("one_step: 4 samples, NFE 1 each"));  // the model's own sampler
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(models.folder / "out"))
    names.insert(entry.path().filename());
  CHECK(names ==
        std::set<std::string>{"000003.png", "000010.png", "000011.png", "000012.png", "samples.json"});

  const at::Tensor images = io::to_uint8(models.raw("x.safetensors"));
  CHECK(at::equal(io::read_image(models.folder / "out" / "000011.png"), images[2]));
  CHECK(at::equal(io::read_image(models.folder / "out_grid.png"), io::image_grid(images, 2, 2, 2, 2)));
  CHECK_THAT(read_bytes(models.folder / "out" / "000011.png"),
             Contains("onestep") && Contains("\"seed\":11") && Contains("\"solver\":\"one_step\""));

  const nlohmann::json sidecar = json_of(models.folder / "out" / "samples.json");
  CHECK(sidecar.at("seeds") == std::vector<int>{3, 10, 11, 12});
  CHECK(sidecar.at("classes").size() == 4);
  CHECK(sidecar.at("sampler").at("sigma_max") == 2.5);
}

TEST_CASE("onestep-sample: a sheet with a row for each class, and one class for all") {
  const Models models;
  const Said rows = models.sample(models.unet + " --class-grid 2 --grid-file " + models.path("classes.png"));
  INFO(rows.err);
  REQUIRE(rows.code == 0);
  CHECK(json_of(models.folder / "classes.png.json").at("classes") == std::vector<int>{0, 0, 1, 1, 2, 2});
  CHECK(io::read_image(models.folder / "classes.png").sizes() == at::IntArrayRef{1, 26, 17});

  const auto of_class = [&](const std::string& arguments) {
    REQUIRE(
        models.sample(models.unet + " --seeds 0-2 --raw " + models.path("x.safetensors") + arguments).code ==
        0);
    return models.raw("x.safetensors");
  };
  const at::Tensor by_seed = of_class(""), ones = of_class(" --class 1");
  const nlohmann::json classes = json_of(models.folder / "x.safetensors.json").at("classes");
  CHECK(classes == std::vector<int>{1, 1, 1});
  CHECK_FALSE(at::equal(ones, by_seed));
}

TEST_CASE("onestep-sample: the sheet alone is as square as may be") {
  const Models models;
  REQUIRE(models.sample(models.unet + " --seeds 0-6 --grid-file " + models.path("deep/er/sheet.png")).code ==
          0);
  CHECK(io::read_image(models.folder / "deep/er/sheet.png").sizes() == at::IntArrayRef{1, 26, 26});
}

TEST_CASE("onestep-sample: solvers and grids from the command line") {
  const Models models;
  const auto [arguments, line] = GENERATE(table<std::string, std::string>(
      {{"--solver euler --steps 7", "euler: 2 samples, NFE 7 each"},
       {"--sampler hb3.8 --steps 6", "hb3.8: 2 samples, NFE 6 each"},
       {"--solver hb --order 2 --beta 0.5 --steps 6", "hb1.5: 2 samples, NFE 6 each"},
       {"--solver heun --sigmas 10,3,1,0", "heun: 2 samples, NFE 5 each"},
       {"--solver ab --order 2 --steps 5 --sigma-grid vp", "ab2: 2 samples, NFE 5 each"},
       {"--solver dpmpp2m_hb0.8 --steps 5 --threshold dynamic", "dpmpp2m_hb0.8: 2 samples, NFE 5 each"},
       {"--solver dpmpp2m_sde --eta 0.5 --steps 5", "dpmpp2m_sde: 2 samples, NFE 5 each"},
       {"--churn 20 --churn-max 40 --noise-scale 1.003 --steps 5", "heun: 2 samples, NFE 9 each"},
       {"--solver euler --steps 4 --sigma-grid beta --grid-parameters 0.5,0.7",
        "euler: 2 samples, NFE 4 each"},
       {"--solver plms --steps 5 --sigma-grid leading --grid-parameters 1 --last first_timestep --start vp",
        "plms: 2 samples, NFE 6 each"},
       {"--solver euler --steps 4 --sigma-grid flow --grid-parameters 3,0 --start flow",
        "euler: 2 samples, NFE 4 each"},
       {"--steps 1", "heun: 2 samples, NFE 1 each"},
       {"", "heun: 2 samples, NFE 35 each"}}));
  const Said said = models.sample("--seeds 0,1 " + arguments + " " + models.mixture + " --raw " +
                                  models.path("x.safetensors"));
  INFO(arguments << "\n" << said.err);
  CHECK(said.code == 0);
  CHECK_THAT(said.out, Contains(line));
}

TEST_CASE("onestep-sample: noise is a function of seed and step: the same bits at any batch") {
  const Models models;
  const std::string solver = GENERATE("euler_ancestral", "dpmpp_sde", "dpmpp3m_sde", "heun --churn 20");
  const auto raw = [&](const std::string& arguments) {
    const Said said = models.sample(models.unet + " --steps 5 --sigma-max 80 --guidance 2 --solver " +
                                    solver + " --raw " + models.path("x.safetensors") + " " + arguments);
    INFO(said.err);
    REQUIRE(said.code == 0);
    return models.raw("x.safetensors");
  };
  const at::Tensor whole = raw("--seeds 0-63 --batch 64");
  CHECK(at::equal(raw("--seeds 0-63 --batch 7"), whole));
  CHECK(at::equal(raw("--seeds 0-2 --batch 1"), whole.slice(0, 0, 3)));
}

TEST_CASE("onestep-sample: archives for evaluation hold the images and their classes") {
  const Models models;
  const Said said = models.sample(models.unet + " --seeds 7,1007 --subdirs --out " + models.path("out") +
                                  " --zip " + models.path("x.zip") + " --npz " + models.path("x.npz"));
  INFO(said.err);
  REQUIRE(said.code == 0);
  const at::Tensor first = io::read_image(models.folder / "out/000000/000007.png");
  const at::Tensor second = io::read_image(models.folder / "out/001000/001007.png");
  const auto arrays = io::read_npz(models.folder / "x.npz");
  CHECK(at::equal(arrays.at("arr_0").permute({0, 3, 1, 2}), at::stack({first, second})));
  const nlohmann::json classes = json_of(models.folder / "out/samples.json").at("classes");
  CHECK(arrays.at("arr_1")[1].item<int64_t>() == classes[1].get<int64_t>());

  const std::string zip = read_bytes(models.folder / "x.zip");
  CHECK_THAT(zip, Contains("000000/000007.png") && Contains("001000/001007.png"));
  CHECK_THAT(zip, Contains(R"(["001000/001007.png",)" + classes[1].dump() + "]"));
  // PNG files are stored as they are, and nothing depends on when they were.
  CHECK_THAT(zip, Contains(read_bytes(models.folder / "out/001000/001007.png")));
  REQUIRE(models.sample(models.unet + " --seeds 7,1007 --zip " + models.path("again.zip")).code == 0);
  CHECK(read_bytes(models.folder / "again.zip") == zip);
}

TEST_CASE("onestep-sample: a trajectory's last image is the sample") {
  const Models models;
  REQUIRE(models
              .sample(models.unet + " --solver heun --steps 3 --sigma-max 80 --seeds 0-19 --trajectory " +
                      models.path("t.png") + " --out " + models.path("out"))
              .code == 0);
  const at::Tensor strip = io::read_image(models.folder / "t.png");
  CHECK(strip.sizes() == at::IntArrayRef{1, 16 * 9 - 1, 3 * 9 - 1});  // the first sixteen
  const at::Tensor row = strip.narrow(1, 5 * 9, 8);
  CHECK(at::equal(row.narrow(2, 18, 8), io::read_image(models.folder / "out/000005.png")));
  CHECK_FALSE(at::equal(row.narrow(2, 0, 8), row.narrow(2, 18, 8)));
}

TEST_CASE("onestep-sample: in bfloat16 images are near float32's, and the same in every batch") {
  const Models models;
  const auto draw = [&](const std::string& arguments) {
    const Said said = models.sample(models.unet + " --solver heun --steps 4 --seeds 0-39 --raw " +
                                    models.path("x.safetensors") + " " + arguments);
    INFO(said.err);
    REQUIRE(said.code == 0);
    return models.raw("x.safetensors");
  };
  const at::Tensor narrow = draw("--precision bfloat16"), wide = draw("");
  CHECK(narrow.scalar_type() == at::kFloat);
  CHECK(test::relative_error(narrow, wide) < 0.05);
  CHECK_FALSE(narrow.equal(wide));
  CHECK(json_of(models.folder / "x.safetensors.json").at("precision") == "float32");
  CHECK(draw("--precision bfloat16 --batch 16 --threads 2").equal(narrow));
  CHECK(json_of(models.folder / "x.safetensors.json").at("precision") == "bfloat16");
  draw("--precision auto");
  CHECK(json_of(models.folder / "x.safetensors.json").at("precision") != "auto");
  const Said refused = models.sample(models.unet + " --precision tf32 --seeds 0 --out " + models.path("out"));
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("--precision: tf32 is of CUDA devices"));
}

TEST_CASE("onestep-sample: a run that is cut goes on where it was, bit for bit") {
  const Models models;
  const std::string solver = GENERATE("heun", "euler_ancestral", "renoise");
  const auto run = [&](const std::string& arguments) {
    const Said said =
        models.sample(models.unet + " --precision float64 --solver " + solver + " " + arguments);
    INFO(said.err);
    REQUIRE(said.code == 0);
  };
  const std::string whole = "--steps 6 --sigma-max 80 --seeds 3,9 ";
  run(whole + "--raw " + models.path("whole.safetensors"));
  run(whole + "--stop-after 2 --raw " + models.path("cut.safetensors"));
  run("--latents " + models.path("cut.safetensors") + " --stop-after 1 --raw " +
      models.path("more.safetensors"));
  run("--latents " + models.path("more.safetensors") + " --raw " + models.path("rest.safetensors"));
  CHECK(test::relative_error(models.raw("rest.safetensors"), models.raw("whole.safetensors")) < 1e-12);
  CHECK(json_of(models.folder / "rest.safetensors.json").at("seeds") == std::vector<int>{3, 9});
  CHECK(json_of(models.folder / "rest.safetensors.json").at("sigmas").size() == 4);
}

TEST_CASE("onestep-sample: what is wrong with a file to go on from is named") {
  const Models models;
  const at::Tensor latents = at::ones({2, 1, 8, 8});
  const auto [name, tensor, message] = GENERATE_COPY(table<std::string, at::Tensor, std::string>(
      {{"seeds", at::zeros({3}, at::kLong), "one seed and class for each of its 2 latents"},
       {"seeds", at::full({2}, -1, at::kLong), "'seeds' holds a negative number"},
       {"seeds", at::full({2}, 7, at::kLong), "'seeds' names 7 twice"},
       {"classes", at::zeros({2}, at::kFloat), "'classes' must be a list of int64"},
       {"sigmas", at::ones({2}, at::kDouble), "'sigmas': sigmas must decrease strictly"},
       {"steps_done", at::full({1}, -1, at::kLong), "must hold one number of steps"}}));
  io::write_safetensors(models.folder / "cut.safetensors", {{"latents", latents}, {name, tensor}});
  const Said said = models.sample(models.unet + " --solver heun --latents " + models.path("cut.safetensors") +
                                  " --raw " + models.path("x.safetensors"));
  CHECK(said.code == 3);
  CHECK_THAT(said.err, Contains("cut.safetensors") && Contains(message));
}

TEST_CASE("onestep-sample: --compare draws a sheet and a table of the same samples") {
  const Models models;
  const Said said =
      models.sample(models.mixture + " --compare euler,dpmpp2m,euler_ancestral --steps-list 16,64" +
                    " --reference-steps 512 --precision float64 --seeds 0-19 --raw " + models.path("unused") +
                    " --out " + models.path("out"));
  INFO(said.err);
  REQUIRE(said.code == 0);
  std::istringstream csv(read_bytes(models.folder / "out/compare.csv"));
  std::vector<std::vector<std::string>> lines;
  for (std::string line; std::getline(csv, line);) {
    std::istringstream cells(line);
    lines.emplace_back();
    for (std::string cell; std::getline(cells, cell, ',');) lines.back().push_back(cell);
  }
  REQUIRE(lines.size() == 8);
  CHECK(lines[0] ==
        std::vector<std::string>{"solver", "steps", "nfe", "seconds", "magnitude_score", "distance"});
  CHECK((lines[1][0] == "euler" && lines[1][1] == "16" && lines[2][2] == "64"));
  CHECK((lines[7][0] == "heun" && lines[7][2] == "1023" && lines[7][5] == "0"));
  CHECK(lines[5].size() == 5);  // a stochastic sampler is at no distance
  const auto distance = [&](int line) { return std::stod(lines[line][5]); };
  CHECK(distance(1) > 2 * distance(2));  // Euler converges at the first order,
  CHECK(distance(3) > 8 * distance(4));  // 2M at the second
  CHECK(distance(2) > distance(4));
  CHECK(json_of(models.folder / "out/compare.json").at("runs").size() == 6);
  CHECK(io::read_image(models.folder / "out/compare.png").size(0) == 1);
}

TEST_CASE("onestep-sample: bad comparisons end before anything is drawn") {
  const Models models;
  const auto [arguments, message] =
      GENERATE(table<std::string, std::string>({{"--compare euler,huen", "did you mean 'heun'?"},
                                                {"--compare heun --steps-list 5,x", "got 'x'"},
                                                {"--compare heun --steps-list 0", "got '0'"},
                                                {"--compare heun --reference-steps 0", "--reference-steps"},
                                                {"--compare one_step", "one_step makes one step"}}));
  INFO(arguments);
  const Said said = models.sample(models.unet + " " + arguments + " --out " + models.path("out"));
  CHECK(said.code == 2);
  CHECK_THAT(said.err, Contains(message));
  CHECK(test::lines_of(said.err) == 1);
}

TEST_CASE("onestep-sample: the magnitude score, where the model says what it was trained on") {
  const Models models;
  io::write_safetensors(models.folder / "far.safetensors",
                        {{"weights", at::ones({1}, at::kDouble)},
                         {"means", at::full({1, 1, 4, 4}, 2, at::kDouble)},
                         {"stds", at::full({1, 1, 4, 4}, 1e-9, at::kDouble)}},
                        {{"onestep.network", R"({"kind": "gaussian_mixture"})"},
                         {"onestep.data", R"({"mean": [0], "std": [0.5]})"}});
  const Said said =
      models.sample(models.path("far.safetensors") + " --steps 4 --raw " + models.path("x.safetensors"));
  INFO(said.err);
  REQUIRE(said.code == 0);
  CHECK_THAT(said.out, Contains("magnitude score 4.0000"));  // |2 − 0|/0.5
  CHECK(json_of(models.folder / "x.safetensors.json").at("run").at("magnitude_score") == Approx(4));
}

TEST_CASE("onestep-sample: autoguidance leads away from the weaker model") {
  const Models models;
  const auto raw = [&](const std::string& arguments) {
    const Said said = models.sample(
        arguments + " --solver euler --steps 1 --sigma-max 80 --seeds 0-3 --precision float64 --raw " +
        models.path("x.safetensors"));
    INFO(said.err);
    REQUIRE(said.code == 0);
    return models.raw("x.safetensors");
  };
  Denoiser weak = load_denoiser(models.unet, at::kCPU);
  for_each_tensor(weak, [](const std::string&, at::Tensor& tensor, bool) { tensor.mul_(0.9); });
  save_denoiser(models.folder / "weak.safetensors", weak);
  const at::Tensor d = raw(models.unet), away = raw(models.path("weak.safetensors"));
  const at::Tensor guided = raw(models.unet + " --guidance 3 --guide " + models.path("weak.safetensors"));
  CHECK(test::relative_error(guided, away + 3 * (d - away)) < 1e-12);
  // Outside its interval it does nothing.
  CHECK(at::equal(
      raw(models.unet + " --guidance 3 --guidance-max 40 --guide " + models.path("weak.safetensors")), d));
}

TEST_CASE("onestep-sample: the list of solvers, help and version need no model") {
  const Models models;
  const Said list = models.sample("--list");
  CHECK(list.code == 0);
  for (const char* name : {"one_step", "euler", "heun", "hbJ.B", "dpmppKm", "2N-1", "_ancestral",
                           "kl_optimal", "plms", "trailing", "double_shift"})
    CHECK_THAT(list.out, Contains(name));
  CHECK(models.sample("--help").code == 0);
  CHECK(models.sample("--version").code == 0);
}

TEST_CASE("onestep-sample: bad input is one clear line, its exit code, and no file") {
  const Models models;
  io::write_safetensors(models.folder / "wrong_shape.safetensors", {{"latents", at::ones({3, 1, 8, 4})}});
  io::write_safetensors(models.folder / "wrong_name.safetensors", {{"z", at::ones({3, 1, 8, 8})}});
  io::write_safetensors(models.folder / "nan.safetensors",
                        {{"latents", at::full({3, 1, 8, 8}, std::nan(""))}});
  std::ofstream(models.folder / "torn.safetensors") << read_bytes(models.unet).substr(0, 5000);
  // Its means are finite in float64, and infinite in the float32 that the command runs in.
  io::write_safetensors(models.folder / "broken.safetensors",
                        {{"weights", at::ones({1}, at::kDouble)},
                         {"means", at::full({1, 1, 2, 2}, 1e300, at::kDouble)},
                         {"stds", at::ones({1, 1, 2, 2}, at::kDouble)}},
                        kMixture);
  const std::string raw = " --raw " + models.path("x.safetensors");
  const size_t entries = models.entries();

  struct Case {
    std::string arguments;
    int code;
    std::string message;
  };
  const std::vector<Case> cases{
      {"", 2, "model is required"},
      {models.unet, 2, "nothing to write"},
      {models.unet + raw + " --stepz 3", 2, "--stepz"},
      {models.unet + raw + " --solver eular", 2, "did you mean 'euler'?"},
      {models.unet + raw + " --steps 4", 2, "one_step makes one step, not 4"},
      {models.unet + raw + " --solver heun --sigmas 1,2,0", 2, "1 is followed by 2"},
      {models.unet + raw + " --solver heun --sigmas 2,1,0 --steps 2", 2, "say either them or steps"},
      {models.unet + raw + " --solver heun --steps 0", 2, "steps: expected an integer >= 1, got '0'"},
      {models.unet + raw + " --solver ab6", 2, "order must be 1 to 5, got 6"},
      {models.unet + raw + " --solver hb --beta 0", 2, "beta must be in (0, 1], got 0"},
      {models.unet + raw + " --solver ab4_ancestral", 2, "stale noise"},
      {models.unet + raw + " --solver ab4 --churn 10", 2, "stale noise"},
      {models.unet + raw + " --solver heun --sigma-grid karas", 2, "did you mean 'karras'?"},
      {models.unet + raw + " --solver heun --sigma-grid leading --steps 1001", 2,
       "sigma grid 'leading': has too few timesteps for 1001 steps"},
      {models.unet + raw + " --solver heun --sigma-grid leading --sigma-max 3", 2, "has no sigma_max"},
      {models.unet + raw + " --solver heun --schedule sd", 2, "sigma grid 'karras': has no schedule"},
      {models.unet + raw + " --solver heun --start vpp", 2, "did you mean 'vp'?"},
      {models.unet + raw + " --threshold statik", 2, "did you mean 'static'?"},
      {models.mixture + raw + " --guidance 2", 2, "guidance needs a class-conditional model, or a guide"},
      {models.unet + raw + " --guidance 2 --guide " + models.mixture, 2,
       "the model's image shape and classes"},
      {models.unet + raw + " --guide " + models.unet, 2, "of no use with guidance 1"},
      {models.unet + raw + " --guidance 2 --guide " + models.path("none.safetensors"), 3, "none.safetensors"},
      {models.unet + raw + " --solver heun --stop-after 18", 2, "the run has 18 steps in all"},
      {models.unet + " --solver heun --stop-after 3 --zip " + models.path("x.zip"), 2,
       "give --raw FILE alone"},
      {models.unet + " --subdirs --zip " + models.path("x.zip"), 2, "--out"},
      {models.unet + " --zip /proc/none/x.zip", 3, "/proc/none"},
      {models.unet + " --npz /proc/none/x.npz", 3, "/proc/none"},
      {models.unet + " --compare heun", 2, "--out"},
      {models.unet + raw + " --sigma-max nan", 2, "nan"},
      {models.unet + raw + " --seeds 5-2", 2, "such as 0-63,100"},
      {models.unet + raw + " --class 3", 2, "--class 3: the model has classes 0 to 2"},
      {models.mixture + raw + " --class 0", 2, "the model is unconditional"},
      {models.mixture + " --class-grid 3 --grid-file " + models.path("g.png"), 2,
       "the model is unconditional"},
      {models.unet + raw + " --device tpu", 2, "expected cpu, cuda or cuda:N"},
      {models.unet + " --grid 8 --out " + models.path("out"), 2, "expected ROWSxCOLUMNS such as 8x8"},
      {models.unet + raw + " --grid 8x8", 2, "where does the sheet go?"},
      {models.path("none.safetensors") + raw, 3, "none.safetensors"},
      {models.path("torn.safetensors") + raw, 3, "torn.safetensors"},
      {models.path("wrong_name.safetensors") + raw, 3, "not a model file"},
      {models.unet + raw + " --latents " + models.path("wrong_shape.safetensors"), 3,
       "tensor 'latents' has shape [3, 1, 8, 4], the model needs [N, 1, 8, 8]"},
      {models.unet + raw + " --latents " + models.path("wrong_name.safetensors"), 3, "latents"},
      {models.unet + raw + " --latents " + models.path("nan.safetensors"), 3, "must hold finite"},
      {models.unet + " --out " + models.unet, 3, "can't be made"},
      {models.unet + " --raw /proc/none/x.safetensors", 3, "/proc/none"},
      {models.unet + " --raw /dev/stdout", 3, "/dev/stdout: cannot be written: lies in /dev"},
      {models.unet + " --grid-file /dev/null", 3, "/dev/null: cannot be written: is not a regular file"},
      {models.path("broken.safetensors") + raw, 4, "at step 1 of 18, sigma 80"}};
  for (const auto& [arguments, code, message] : cases) {
    INFO(arguments);
    const Said said = models.sample(arguments);
    CHECK(said.code == code);
    CHECK_THAT(said.err, Contains("onestep-sample: ") && Contains(message));
    CHECK(said.out.empty());
    if (code != 4) CHECK(test::lines_of(said.err) == 1);  // progress comes before a number breaks
    CHECK(models.entries() == entries);
  }
}

TEST_CASE("onestep-sample: an interruption ends in good order and leaves nothing") {
  const Models models;
  const auto [signal, code] = GENERATE(table<std::string, int>({{"INT", 130}, {"TERM", 143}}));
  const size_t entries = models.entries();
  const auto start = std::chrono::steady_clock::now();
  const auto later = [&] { return std::chrono::steady_clock::now() - start > std::chrono::seconds(2); };
  const Said said = test::run_interrupted("onestep-sample " + models.unet +
                                              " --seeds 0-9999 --solver heun --steps 500 --raw " +
                                              models.path("x.safetensors"),
                                          signal, later);
  CHECK(said.code == code);
  CHECK_THAT(said.err, Contains("onestep-sample: interrupted, nothing was written"));
  CHECK(models.entries() == entries);
}
