// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <sstream>

#include <ATen/core/Tensor.h>
#include <catch2/catch.hpp>

#include "io/safetensors.h"
#include "noise/sigma_grid.h"
#include "noise/timesteps.h"

using namespace onestep;

namespace {

/// The level in the middle, of three steps.
double middle(const SigmaGrid& grid) {
  return sigma_grid(grid, 3)[1];
}

bool falls_strictly(const std::vector<double>& sigmas) {
  return std::adjacent_find(sigmas.begin(), sigmas.end(),
                            [](double before, double after) { return !(after < before); }) == sigmas.end();
}

std::vector<std::string> curve_names() {
  std::vector<std::string> names = sigma_grid_names();
  std::erase_if(names, [](const std::string& rule) { return !ends_of({.rule = rule}); });
  return names;
}

/// max|a/b − 1| before the final 0.
double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.back() != b.back()) return std::numeric_limits<double>::infinity();
  double error = 0;
  for (size_t i = 0; i + 1 < a.size(); ++i) error = std::max(error, std::abs(a[i] / b[i] - 1));
  return error;
}

/// The grid that a tensor of the reference file is named after, "kdiff/karras_rho5_smin0.01_smax50_n12" or
/// "edm/vp_n6", and its steps.
std::pair<SigmaGrid, int64_t> named(const std::string& tensor) {
  std::istringstream words(tensor.substr(tensor.find('/') + 1));
  SigmaGrid grid;
  std::getline(words, grid.rule, '_');
  if (grid.rule == "edm") grid.rule = "karras";
  int64_t steps = 0;
  for (std::string word; std::getline(words, word, '_');) {
    const size_t digits = word.find_first_of("0123456789");
    const std::string key = word.substr(0, digits);
    const double value = std::stod(word.substr(digits));
    if (key == "rho")
      grid.rho = value;
    else if (key == "smin")
      grid.sigma_min = value;
    else if (key == "smax")
      grid.sigma_max = value;
    else if (key == "n")
      steps = static_cast<int64_t>(value);
    else
      FAIL("tensor " << tensor << ": what is " << word << "?");
  }
  return {grid, steps};
}

}  // namespace

TEST_CASE("Every curve ends where it says, in 0, and falls strictly") {
  for (const std::string& rule : curve_names()) {
    for (const int64_t steps : {1, 2, 3, 10, 992}) {
      INFO(rule << ", " << steps << " steps");
      CHECK(falls_strictly(sigma_grid({.rule = rule}, steps)));
      const SigmaGrid grid{.rule = rule, .sigma_min = 0.03, .sigma_max = 170.1};
      if (rule == "iddpm" && steps > 900) continue;
      const std::vector<double> sigmas = sigma_grid(grid, steps);
      REQUIRE(sigmas.size() == static_cast<size_t>(steps + 1));
      CHECK(falls_strictly(sigmas));
      CHECK(sigmas.back() == 0);
      if (steps == 1) CHECK(sigmas.front() == 170.1);
      if (rule == "iddpm") continue;
      CHECK(sigmas.front() == 170.1);  // bit for bit
      if (steps > 1) CHECK(sigmas[steps - 1] == 0.03);
    }
    if (rule != "iddpm") {
      CHECK(falls_strictly(sigma_grid({.rule = rule}, 1000)));
      CHECK(falls_strictly(sigma_grid({.rule = rule, .sigma_min = 1e-4, .sigma_max = 1e4}, 1000)));
    }
  }
  CHECK(falls_strictly(sigma_grid({.rule = "iddpm", .parameters = {0.001, 0.008, 1100}}, 1000)));
}

TEST_CASE("The middle of each grid in closed form") {
  CHECK(middle({.rule = "karras", .sigma_min = 1, .sigma_max = 9, .rho = 2}) ==
        Approx(4));  // (3 + ½(1 − 3))²
  CHECK(middle({.rule = "exponential", .sigma_min = 1, .sigma_max = 100}) == Approx(10));
  CHECK(middle({.rule = "log_snr", .sigma_min = 1, .sigma_max = 100}) == Approx(10));
  CHECK(middle({.rule = "ve", .sigma_min = 1, .sigma_max = 100}) == Approx(10));
  CHECK(middle({.rule = "polyexponential", .sigma_min = 1, .sigma_max = 16}) == Approx(4));
  CHECK(middle({.rule = "polyexponential", .sigma_min = 1, .sigma_max = 16, .rho = 2}) == Approx(2));
  CHECK(middle({.rule = "linear", .sigma_min = 1, .sigma_max = 9}) == 5);
  // arctan of the ends: π/12 and 5π/12.
  const double root3 = std::numbers::sqrt3;
  CHECK(middle({.rule = "kl_optimal", .sigma_min = 2 - root3, .sigma_max = 2 + root3}) == Approx(1));
}

TEST_CASE("vp: beta_d and beta_min follow from the range and epsilon") {
  const auto sigma = [](double t) { return std::sqrt(std::exp(t * t + t) - 1); };  // β_d = 2, β_min = 1
  const SigmaGrid grid{
      .rule = "vp", .sigma_min = sigma(0.5), .sigma_max = sigma(1), .rho = {}, .parameters = {0.5}};
  CHECK(middle(grid) == Approx(sigma(0.75)));
  // Alone, epsilon moves the lowest level along the published schedule.
  const std::vector<double> moved = sigma_grid({.rule = "vp", .parameters = {0.1}}, 3);
  const auto published = [](double t) { return std::sqrt(std::exp(19.9 / 2 * t * t + 0.1 * t) - 1); };
  CHECK(moved[0] == Approx(published(1)));
  CHECK(moved[1] == Approx(published(0.55)));
  CHECK(moved[2] == Approx(published(0.1)));
}

TEST_CASE("beta: heights are the quantiles of Beta(alpha, beta)") {
  const auto grid = [](std::vector<double> parameters, double rho) {
    return sigma_grid({.rule = "beta", .sigma_min = 1, .sigma_max = 9, .rho = rho, .parameters = parameters},
                      11);
  };
  const std::vector<double> karras =
      sigma_grid({.rule = "karras", .sigma_min = 1, .sigma_max = 9, .rho = 3}, 11);
  CHECK(relative_error(grid({1, 1}, 3), karras) < 1e-14);
  for (int i = 0; i <= 10; ++i) {
    const double u = i / 10.0;
    const double arcsine = std::sin(std::numbers::pi / 2 * (1 - u));
    CHECK(grid({0.5, 0.5}, 1)[i] == Approx(1 + 8 * arcsine * arcsine).epsilon(1e-14));
    CHECK(grid({2, 1}, 1)[i] == Approx(1 + 8 * std::sqrt(1 - u)).epsilon(1e-14));
    CHECK(grid({1, 2}, 1)[i] == Approx(1 + 8 * (1 - std::sqrt(u))).epsilon(1e-14));
  }
  // One parameter given, the other 0.6; rho 7.
  const SigmaGrid half{.rule = "beta", .parameters = {0.6}};
  CHECK(sigma_grid(half, 10) == sigma_grid({.rule = "beta", .rho = 7, .parameters = {0.6, 0.6}}, 10));
}

TEST_CASE("iddpm: the model's own levels, clamped by C_1, to the nearest") {
  const auto grid = [](std::vector<double> parameters, int64_t steps) {
    return sigma_grid({.rule = "iddpm", .sigma_max = 1000, .parameters = parameters}, steps);
  };
  // θ_2 = π/2, θ_1 = π/4: u_1² = 1/½ − 1, u_0² = 2/C_1 − 1.
  CHECK(relative_error(grid({0.5, 0, 2}, 2), {std::sqrt(3.0), 1, 0}) < 1e-14);
  CHECK(relative_error(grid({0.625, 0, 2}, 2), {std::sqrt(1.56), std::sqrt(0.6), 0}) < 1e-14);
  const std::vector<double> all = grid({0.001, 0.008, 4}, 4);
  CHECK(grid({0.001, 0.008, 4}, 3) == std::vector<double>{all[0], all[2], all[3], 0});  // of 1 and 2, 2
  CHECK(sigma_grid({.rule = "iddpm", .parameters = {0.001, 0.008, 4}}, 3) ==
        std::vector<double>{all[1], all[2], all[3], 0});  // 81 leaves the highest out
  // The lowest level with 40 digits.
  CHECK(std::abs(sigma_grid({.rule = "iddpm"}, 2)[1] / 0.006425412771127170756103 - 1) < 1e-14);
}

// iddpm: where the reference subtracts 1 from 1 + 4e-5 it loses five digits, and its lowest level is off by
// 2.2e-12 (computed with 40 digits; ours is held to 1e-14 above).
TEST_CASE("Grids have the reference's numbers") {
  const io::TensorFile file = io::read_safetensors(ONESTEP_GOLDEN "/samplers/schedules.safetensors");
  REQUIRE(file.tensors.size() > 30);
  for (const auto& [name, tensor] : file.tensors) {
    INFO(name);
    const auto [grid, steps] = named(name);
    REQUIRE(tensor.scalar_type() == at::kDouble);
    const double* begin = tensor.const_data_ptr<double>();
    const std::vector<double> expected(begin, begin + tensor.numel());
    CHECK(relative_error(sigma_grid(grid, steps), expected) < (grid.rule == "iddpm" ? 3e-12 : 1e-12));
  }
}

namespace {

/// The timesteps that a grid of SD's levels takes: fractional ones are where σ is linear between them.
std::vector<double> timesteps(const SigmaGrid& grid, int64_t steps) {
  const std::vector<double> levels = schedule_levels(grid.schedule.value_or("sd"));
  std::vector<double> list;
  for (const double sigma : sigma_grid(grid, steps)) {
    if (sigma == 0) continue;
    const auto above = std::ranges::lower_bound(levels, sigma);
    const auto t = static_cast<double>(above - levels.begin());
    list.push_back(*above == sigma ? t : t - (*above - sigma) / (*above - *(above - 1)));
  }
  return list;
}

}  // namespace

// The reference's numbers are held to in tests/samplers, call by call.
TEST_CASE("Timesteps by their spacing") {
  using List = std::vector<double>;
  CHECK(timesteps({.rule = "leading"}, 4) == List{750, 500, 250, 0});
  CHECK(timesteps({.rule = "leading", .parameters = {1}}, 3) == List{667, 334, 1});
  CHECK(timesteps({.rule = "leading", .parameters = {0, 1}}, 4) == List{800, 600, 400, 200});
  CHECK(timesteps({.rule = "trailing"}, 4) == List{999, 749, 499, 249});
  CHECK(timesteps({.rule = "trailing"}, 7) == List{999, 856, 713, 570, 428, 285, 142});
  // 937.5 and 812.5 go to the even number, 938 and 812, less one.
  const List sixteen = timesteps({.rule = "trailing"}, 16);
  CHECK(sixteen[1] == 937);
  CHECK(sixteen[3] == 811);
  CHECK(timesteps({.rule = "linspace"}, 4) == List{999, 666, 333, 0});
  CHECK(timesteps({.rule = "linspace", .parameters = {1}}, 3) == List{999, 666, 333});
  CHECK(timesteps({.rule = "linspace"}, 3)[1] == Approx(499.5).epsilon(1e-12));
  CHECK(timesteps({.rule = "linspace", .parameters = {0, 1}}, 3) == List{999, 500, 0});
  CHECK(timesteps({.rule = "lcm"}, 4) == List{999, 759, 499, 259});
  CHECK(timesteps({.rule = "lcm"}, 50) == timesteps({.rule = "trailing"}, 50));
  CHECK(timesteps({.rule = "lcm", .parameters = {100}}, 3) == List{999, 669, 339});
  for (const std::string rule : {"leading", "trailing", "linspace", "lcm"})
    CHECK(timesteps({.rule = rule}, 1).size() == 1);
  CHECK(timesteps({.rule = "leading"}, 1000).size() == 1000);
}

TEST_CASE("Timesteps are a schedule's, and end where they are told to") {
  const std::vector<double> sd = schedule_levels("sd"), linear = schedule_levels("ddpm_linear");
  CHECK(sigma_grid({.rule = "trailing"}, 2) == std::vector<double>{sd[999], sd[499], 0});
  CHECK(sigma_grid({.rule = "trailing", .schedule = "ddpm_linear"}, 2) ==
        std::vector<double>{linear[999], linear[499], 0});
  CHECK(sigma_grid({.rule = "leading", .parameters = {1}, .to_first_timestep = true}, 2) ==
        std::vector<double>{sd[501], sd[1], sd[0]});
  CHECK(sigma_grid({.rule = "trailing", .schedule = "sd_zero_snr"}, 2)[0] == Approx(4096).epsilon(1e-7));
  CHECK_THROWS_WITH(sigma_grid({.rule = "trailing", .schedule = "sdd"}, 2), Catch::Contains("no schedule"));
}

TEST_CASE("A flow's times: the shift is a factor, pure noise is 1e6") {
  const auto flow = [](std::vector<double> parameters, int64_t steps) {
    return sigma_grid({.rule = "flow", .parameters = parameters}, steps);
  };
  CHECK(relative_error(flow({}, 4), {1e6, 0.667 / 0.333, 0.334 / 0.666, 0.001 / 0.999, 0}) < 1e-12);
  CHECK(relative_error(flow({3, 0}, 4), {1e6, 9, 3, 1, 0}) < 1e-12);                // FLUX
  CHECK(relative_error(flow({3, 0, 0.8}, 4), {12, 4.5, 2, 0.75, 0}) < 1e-12);       // SANA
  CHECK(relative_error(flow({3, 0.2, 1, 1}, 2), {1e6, 3 * 0.6 / 0.8, 0}) < 1e-12);  // 0.2 is 0.6/1.4
  CHECK(flow({3}, 1) == std::vector<double>{1e6, 0});
  CHECK(falls_strictly(flow({1, 0}, 1000)));
}

TEST_CASE("A grid says what is wrong with it") {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  struct Case {
    SigmaGrid grid;
    int64_t steps;
    std::string problem;
  };
  const std::string all =
      "; there are: karras, exponential, log_snr, polyexponential, linear, vp, ve, iddpm, kl_optimal, beta, "
      "leading, trailing, linspace, lcm, flow";
  const std::vector<Case> cases{
      {{.rule = "karas"}, 4, "no sigma grid 'karas' (did you mean 'karras'?)" + all},
      {{.rule = "something"}, 4, "no sigma grid 'something'" + all},
      {{}, 0, "sigma grid 'karras': steps must be 1 to 1000000, got 0"},
      {{}, 1000001, "sigma grid 'karras': steps must be 1 to 1000000, got 1000001"},
      {{.sigma_min = 0}, 4, "sigma grid 'karras': sigma_min must be finite and > 0, got 0"},
      {{.sigma_min = nan}, 4, "sigma grid 'karras': sigma_min must be finite and > 0, got nan"},
      {{.sigma_max = -1}, 4, "sigma grid 'karras': sigma_max must be finite and > 0, got -1"},
      {{.sigma_max = inf}, 4, "sigma grid 'karras': sigma_max must be finite and > 0, got inf"},
      {{.sigma_min = 80}, 4, "sigma grid 'karras': sigma_min must be below sigma_max, got 80 and 80"},
      {{.rule = "ve", .sigma_max = 0.01},
       4,
       "sigma grid 've': sigma_min must be below sigma_max, got 0.02 and 0.01"},
      {{.rho = 0}, 4, "sigma grid 'karras': rho must be finite and > 0, got 0"},
      {{.rule = "beta", .rho = nan}, 4, "sigma grid 'beta': rho must be finite and > 0, got nan"},
      {{.rule = "linear", .rho = 7}, 4, "sigma grid 'linear': has no rho"},
      {{.parameters = {1}}, 4, "sigma grid 'karras': takes 0 parameters, got 1"},
      {{.rule = "vp", .parameters = {0.1, 0.2}}, 4, "sigma grid 'vp': takes 1 parameter, got 2"},
      {{.rule = "vp", .parameters = {1}}, 4, "sigma grid 'vp': epsilon must be in (0, 1), got 1"},
      {{.rule = "vp", .parameters = {nan}}, 4, "sigma grid 'vp': epsilon must be in (0, 1), got nan"},
      {{.rule = "beta", .parameters = {0.6, 0}}, 4, "sigma grid 'beta': beta must be in [0.01, 50], got 0"},
      {{.rule = "iddpm", .parameters = {0}}, 4, "sigma grid 'iddpm': C_1 must be in (0, 1), got 0"},
      {{.rule = "iddpm", .parameters = {0.001, -1}}, 4, "sigma grid 'iddpm': C_2 must be in [0, 1], got -1"},
      {{.rule = "iddpm", .parameters = {0.001, 0.008, 10.5}},
       4,
       "sigma grid 'iddpm': M must be a whole number in [1, 1000000], got 10.5"},
      {{.rule = "iddpm"}, 993, "sigma grid 'iddpm': has 992 levels from 81 to 0.002, too few for 993 steps"},
      {{.rule = "iddpm", .sigma_min = 1, .sigma_max = 1.0001},
       1,
       "sigma grid 'iddpm': has 0 levels from 1.0001 to 1, too few for 1 step"},
      {{.rule = "polyexponential", .rho = 50},
       1000,
       "sigma grid 'polyexponential': 1000 steps from 80 to 0.002 do not decrease strictly in float64"},
      {{.rho = 1e-3},  // 80^1000 overflows
       4,
       "sigma grid 'karras': 4 steps from 80 to 0.002 do not decrease strictly in float64"},
      {{.rule = "vp", .sigma_min = 1, .sigma_max = 150},  // no such schedule of epsilon 0.001 falls
       4,
       "sigma grid 'vp': 4 steps from 150 to 1 do not decrease strictly in float64"},
      {{.rule = "karras", .schedule = "sd"}, 4, "sigma grid 'karras': has no schedule"},
      {{.rule = "flow", .schedule = "sd"}, 4, "sigma grid 'flow': has no schedule"},
      {{.rule = "karras", .to_first_timestep = true},
       4,
       "sigma grid 'karras': has no first timestep to end in"},
      {{.rule = "leading", .sigma_max = 3}, 4, "sigma grid 'leading': has no sigma_max"},
      {{.rule = "flow", .sigma_min = 3}, 4, "sigma grid 'flow': has no sigma_min"},
      {{.rule = "trailing", .rho = 3}, 4, "sigma grid 'trailing': has no rho"},
      {{.rule = "leading", .parameters = {0.5}},
       4,
       "sigma grid 'leading': offset must be a whole number in [0, 999], got 0.5"},
      {{.rule = "linspace", .parameters = {2}},
       4,
       "sigma grid 'linspace': left_out must be a whole number in [0, 1], got 2"},
      {{.rule = "leading", .parameters = {1}},
       1000,
       "sigma grid 'leading': timesteps 1000 to 1 are outside 0 to 999, which the schedule has"},
      {{.rule = "leading"}, 1001, "sigma grid 'leading': has too few timesteps for 1001 steps"},
      {{.rule = "trailing"}, 1001, "sigma grid 'trailing': has too few timesteps for 1001 steps"},
      {{.rule = "linspace", .parameters = {1, 1}},
       1000,
       "sigma grid 'linspace': has too few timesteps for 1000 steps"},
      {{.rule = "lcm"}, 51, "sigma grid 'lcm': has too few timesteps for 51 steps"},
      {{.rule = "linspace", .to_first_timestep = true},
       4,
       "sigma grid 'linspace': reaches timestep 0 before its end: the last level must be zero"},
      {{.rule = "flow", .parameters = {0}}, 4, "sigma grid 'flow': shift must be in [0.001, 1000], got 0"},
      {{.rule = "flow", .parameters = {1, 1.5}}, 4, "sigma grid 'flow': lowest must be in [0, 1], got 1.5"},
      {{.rule = "flow", .parameters = {1, 0.5, 0.5}},
       4,
       "sigma grid 'flow': lowest must be below highest, got 0.5 and 0.5"},
  };
  for (const Case& c : cases) {
    CHECK(grid_problem(c.grid, c.steps) == c.problem);
    CHECK_THROWS_WITH(sigma_grid(c.grid, c.steps), Catch::Contains(c.problem));
  }
  CHECK(grid_problem({}, 1).empty());
  CHECK(grid_problem({.rule = "iddpm"}, 992).empty());
}

TEST_CASE("The list of grids shows names, defaults and ranges") {
  const std::vector<SigmaGridInfo> list = list_sigma_grids();
  const std::vector<std::string> names = sigma_grid_names();
  REQUIRE(list.size() == names.size());
  for (size_t i = 0; i < list.size(); ++i) {
    CHECK(list[i].name == names[i]);
    CHECK(!list[i].meaning.empty());
  }
  const auto find = [&](const std::string& name) {
    return *std::find_if(list.begin(), list.end(), [&](const auto& row) { return row.name == name; });
  };
  CHECK(find("linear").parameters == "-");
  CHECK(find("karras").parameters == "rho 7");
  CHECK(find("beta").parameters == "rho 7, alpha 0.6, beta 0.6");
  CHECK(find("iddpm").parameters == "C_1 0.001, C_2 0.008, M 1000");
  CHECK(find("vp").parameters == "epsilon 0.001");
  CHECK(find("vp").range == "0.0105 to 152");
  CHECK(find("ve").range == "0.02 to 100");
  CHECK(find("leading").parameters == "offset 0, left_out 0");
  CHECK(find("leading").range == "its schedule's");
  CHECK(find("flow").parameters == "shift 1, lowest 0.001, highest 1, double_shift 0");
  CHECK(find("flow").range == "0.001 to 1e+06");
}
