// SPDX-License-Identifier: Apache-2.0
// How a user names solvers and samplers, and what is said to one who errs.
#include <map>
#include <set>

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/config.h"
#include "samplers/orders.h"
#include "samplers/sampler_config.h"
#include "samplers/seeds.h"

using namespace onestep;
using Catch::Matchers::Contains;
using config::ConfigError;

namespace {

Multistep multistep(const std::string& spec, const SolverOptions& options = {}) {
  return std::get<Multistep>(parse_solver(spec, options).method);
}

UniPC unipc(const std::string& spec, const SolverOptions& options = {}) {
  return std::get<UniPC>(parse_solver(spec, options).method);
}

/// What a solver does, in many steps and in few: two solvers that agree here are one.
at::Tensor deeds(const Solver& solver) {
  History history;
  history.noise = [](int64_t step, int64_t draw) {
    return at::full({1}, 0.1 * static_cast<double>(step + draw), at::kDouble);
  };
  std::vector<at::Tensor> ends;
  for (const int64_t n : {8, 20}) {
    const bool one = std::holds_alternative<OneStep>(solver.method);
    ends.push_back(integrate(solver, toys::Mixture{}.denoise(), at::full({1}, 60.0, at::kDouble),
                             sigma_grid({}, one ? 1 : n), history));
  }
  return at::cat(ends);
}

}  // namespace

TEST_CASE("single steps by name") {
  const auto is = [](const std::string& name, auto kind) {
    return std::holds_alternative<decltype(kind)>(parse_solver(name).method);
  };
  CHECK(is("one_step", OneStep{}));
  for (const std::string name : {"euler", "ddim", "dpmpp1s"}) CHECK(is(name, Euler{}));
  CHECK(is("dpm2", Dpm2{}));
  CHECK(is("dpmpp2s", Dpmpp2S{}));
  CHECK(is("dpmpp_sde", DpmppSde{}));
  CHECK(std::get<Heun>(parse_solver("heun").method).alpha == 1);
  CHECK(std::get<Heun>(parse_solver("midpoint").method).alpha == 0.5);
  CHECK(std::get<Heun>(parse_solver("ralston").method).alpha == 2. / 3);
}

TEST_CASE("multistep solvers by name, with their order") {
  using enum Extrapolation;
  const auto [spec, rule, order] =
      GENERATE(table<std::string, Extrapolation, int64_t>({{"ab", adams_bashforth, 4},
                                                           {"ab1", adams_bashforth, 1},
                                                           {"ab5", adams_bashforth, 5},
                                                           {"lms", lagrange, 4},
                                                           {"lms2", lagrange, 2},
                                                           {"deis", log_lagrange, 3},
                                                           {"deis5", log_lagrange, 5},
                                                           {"dpmppm", exponential, 2},
                                                           {"dpmpp1m", exponential, 1},
                                                           {"dpmpp3m", exponential, 3}}));
  INFO(spec);
  CHECK(multistep(spec).rule == rule);
  CHECK(multistep(spec).order == order);
  CHECK(multistep(spec).momentum.kind == Momentum::Kind::none);
  CHECK(multistep(spec).two_points == TwoPoints::midpoint);
}

TEST_CASE("UniPC by name") {
  CHECK(unipc("unipc").order == 2);
  CHECK(unipc("unipc3").order == 3);
  CHECK(unipc("unipc3").corrector);
  CHECK_FALSE(unipc("unip1").corrector);
  CHECK(unipc("unipc2").beta == 1);
  CHECK(unipc("unipc2_hb0.7").beta == 0.7);
  CHECK(unipc("unipc2_hb").beta == 0.8);
  CHECK(unipc("unipc2_bh1").two_points == TwoPoints::b1);
  CHECK(unipc("unipc2_heun").two_points == TwoPoints::heun);
  CHECK(unipc("unipc2").two_points == TwoPoints::midpoint);
}

TEST_CASE("momentum's order and beta in one number") {
  const auto [number, order, beta] = GENERATE(table<std::string, int64_t, double>({{"", 4, 0.8},
                                                                                   {"3.8", 4, 0.8},
                                                                                   {"0.8", 1, 0.8},
                                                                                   {"4", 4, 1},
                                                                                   {"4.0", 4, 1},
                                                                                   {"5", 5, 1},
                                                                                   {"4.25", 5, 0.25}}));
  using enum Momentum::Kind;
  for (const auto& [name, kind] : std::vector<std::pair<std::string, Momentum::Kind>>{
           {"hb", heavy_ball}, {"nt", nesterov}, {"ghvb", ghvb}}) {
    INFO(name << number);
    const Multistep solver = multistep(name + number);
    CHECK(solver.rule == Extrapolation::adams_bashforth);
    CHECK(solver.order == order);
    CHECK(solver.momentum.kind == kind);
    CHECK(solver.momentum.beta == beta);
  }
}

TEST_CASE("modifiers follow a name, in any order") {
  CHECK(multistep("lms4_ghvb0.8").momentum.kind == Momentum::Kind::ghvb);
  CHECK(multistep("lms4_ghvb0.8").momentum.beta == 0.8);
  CHECK(multistep("deis_nt0.5").momentum.beta == 0.5);
  CHECK(multistep("dpmpp2m_hb").momentum.beta == 0.8);
  CHECK(multistep("dpmpp2m_hb1").momentum.beta == 1);
  CHECK(multistep("dpmpp2m_heun").two_points == TwoPoints::heun);
  CHECK(multistep("dpmpp2m_bh1").two_points == TwoPoints::b1);
  for (const std::string name : {"dpmpp2m_sde_heun", "dpmpp2m_heun_sde"}) {
    CHECK(std::holds_alternative<Sde>(parse_solver(name).stochastic));
    CHECK(multistep(name).two_points == TwoPoints::heun);
  }
  for (const std::string method : {"euler", "heun", "midpoint", "dpm2", "dpmpp2s"}) {
    CHECK(std::holds_alternative<Ancestral>(parse_solver(method + "_ancestral").stochastic));
    CHECK(std::holds_alternative<Sde>(parse_solver(method + "_sde").stochastic));
    CHECK(std::holds_alternative<Deterministic>(parse_solver(method).stochastic));
  }
  CHECK(std::holds_alternative<Renoise>(parse_solver("renoise").stochastic));
}

TEST_CASE("the third order of DPM-Solver++ is as the reference codes have it") {
  CHECK(multistep("dpmpp3m").low_end_below == 15);
  CHECK(multistep("dpmpp3m_sde").low_end_below == 0);
  CHECK(multistep("dpmpp3m_sde").two_points == TwoPoints::heun);
  CHECK(multistep("dpmpp2m").low_end_below == 0);
}

TEST_CASE("order, beta and noise as options") {
  CHECK(multistep("hb", {.order = 2}).order == 2);
  CHECK(multistep("hb", {.order = 2}).momentum.beta == 0.8);
  CHECK(multistep("hb", {.beta = 0.5}).order == 4);
  CHECK(multistep("hb", {.order = 3, .beta = 1.0}).momentum.beta == 1);
  CHECK(multistep("lms", {.order = 5}).order == 5);
  CHECK(multistep("lms3_nt", {.beta = 0.25}).momentum.beta == 0.25);
  CHECK(unipc("unipc", {.order = 3}).order == 3);
  CHECK(unipc("unipc_hb", {.beta = 0.25}).beta == 0.25);

  const Solver ancestral = parse_solver("euler_ancestral", {.eta = 0.3, .noise_scale = 1.1});
  CHECK(std::get<Ancestral>(ancestral.stochastic).eta == 0.3);
  CHECK(std::get<Ancestral>(ancestral.stochastic).noise_scale == 1.1);
  CHECK(std::get<Sde>(parse_solver("dpmpp2m_sde", {.eta = 0.0}).stochastic).eta == 0);
  CHECK(std::get<DpmppSde>(parse_solver("dpmpp_sde", {.eta = 0.4}).method).eta == 0.4);
  CHECK(std::get<DpmppSde>(parse_solver("dpmpp_sde", {.noise_scale = 2.0}).method).noise_scale == 2);
  const Solver churned =
      parse_solver("heun", {.noise_scale = 1.003, .churn = 40.0, .churn_min = 0.05, .churn_max = 50.0});
  const Churn& churn = std::get<Churn>(churned.stochastic);
  CHECK(churn.churn == 40);
  CHECK(churn.low == 0.05);
  CHECK(churn.high == 50);
  CHECK(churn.noise_scale == 1.003);
  CHECK(std::isinf(std::get<Churn>(parse_solver("euler", {.churn = 1.0}).stochastic).high));
}

TEST_CASE("a solver's name reads back as the solver") {
  std::set<std::string> specs{"one_step",
                              "renoise",
                              "ddim",
                              "dpmpp1s",
                              "dpmpp_sde",
                              "ab",
                              "lms",
                              "deis",
                              "dpmppm",
                              "unip",
                              "unipc",
                              "hb",
                              "nt",
                              "ghvb",
                              "hb4",
                              "nt4",
                              "ghvb4",
                              "hb4.125",
                              "hb0.001",
                              "ghvb2.05",
                              "ab4_hb0.8",
                              "ab1_nt0.5",
                              "lms4_hb1",
                              "lms2_nt",
                              "deis4_ghvb0.25",
                              "dpmpp3m_hb0.8",
                              "dpmpp3m_nt0.9",
                              "dpmpp2m_heun_hb0.8",
                              "dpmpp2m_bh1_nt0.8",
                              "unip3_bh1",
                              "unipc3_hb0.8_bh1",
                              "unipc2_heun_hb0.6",
                              "dpmpp1m_sde",
                              "dpmpp2m_sde",
                              "dpmpp2m_sde_heun",
                              "dpmpp2m_sde_bh1",
                              "dpmpp3m_sde"};
  for (const orders::Claim& claim : orders::claims()) specs.insert(claim.name);
  for (const std::string method : {"euler", "heun", "midpoint", "ralston", "dpm2", "dpmpp2s"})
    for (const std::string noise : {"_ancestral", "_sde"}) specs.insert(method + noise);
  for (const std::string& spec : specs) {
    const Solver solver = parse_solver(spec);
    const std::string name = solver_name(solver);
    INFO(spec << " is called " << name);
    CHECK(solver_name(parse_solver(name)) == name);
    CHECK(at::equal(deeds(parse_solver(name)), deeds(solver)));
  }
}

TEST_CASE("a solver's name is the shortest") {
  const auto [spec, name] =
      GENERATE(table<std::string, std::string>({{"ddim", "euler"},
                                                {"dpmpp1s", "euler"},
                                                {"ab", "ab4"},
                                                {"hb", "hb3.8"},
                                                {"hb4.0", "hb4"},
                                                {"nt0.70", "nt0.7"},
                                                {"ab4_hb0.8", "hb3.8"},
                                                {"lms_ghvb", "lms4_ghvb0.8"},
                                                {"dpmppm", "dpmpp2m"},
                                                {"dpmpp2m_heun_sde", "dpmpp2m_sde_heun"},
                                                {"unipc_bh1", "unipc2_bh1"}}));
  CHECK(solver_name(parse_solver(spec)) == name);
}

TEST_CASE("a solver that does not exist") {
  const auto [spec, message] = GENERATE(table<std::string, std::string>(
      {{"eular", "no solver 'eular' (did you mean 'euler'?); there are: one_step, renoise, euler, heun"},
       {"huen", "did you mean 'heun'"},
       {"dpmp2m", "did you mean 'dpmpp2m'"},
       {"unipcc2", "did you mean 'unipc2'"},
       {"", "no solver ''; there are"},
       {"_", "no solver '_'"},
       {"4", "no solver '4'"},
       {"plms4x", "no solver 'plms4x'"},
       {"EULER", "no solver 'EULER'"},
       {"euler ", "no solver 'euler '"},
       {"heun2", "no solver 'heun2'"},
       {"dpmpp2", "no solver 'dpmpp2'"},
       {"hb3e2", "no solver 'hb3e2'"},
       {"hb\n", "no solver 'hb"}}));
  INFO(spec);
  CHECK_THROWS_AS(parse_solver(spec), ConfigError);
  CHECK_THROWS_WITH(parse_solver(spec), Contains(message));
}

TEST_CASE("an order or a number that does not exist") {
  const auto [spec, message] = GENERATE(table<std::string, std::string>(
      {{"hb6", "solver 'hb6': order must be 1 to 5, got 6"},
       {"nt5.5", "order must be 1 to 5, got 6"},
       {"ghvb0", "order must be 1 to 5, got 0"},
       {"ab0", "order must be 1 to 5, got 0"},
       {"ab6", "order must be 1 to 5, got 6"},
       {"lms999", "order must be 1 to 5, got 999"},
       {"dpmpp4m", "order must be 1 to 3, got 4"},
       {"unipc4", "order must be 1 to 3, got 4"},
       {"unip0", "order must be 1 to 3, got 0"},
       {"ab3.8", "expected an order of 1 to 5, got '3.8'"},
       {"ab-1", "expected an order of 1 to 5, got '-1'"},
       {"dpmpp2.5m", "expected an order of 1 to 3, got '2.5'"},
       {"ab99999999999999999999", "expected an order of 1 to 5, got '99999999999999999999'"},
       {"hb3.", "expected a number such as 3.8 (order 4, beta 0.8), got '3.'"},
       {"hb.8", "expected a number such as 3.8"},
       {"hb-1", "expected a number such as 3.8"},
       {"hb3.8.1", "expected a number such as 3.8"},
       {"hb99999999999999999999", "expected a number such as 3.8"},
       {"lms4_hb3.8", "the number after '_hb' is beta alone, such as 0.8"},
       {"lms4_nt0", "the number after '_nt' is beta alone"},
       {"lms4_ghvb.8", "expected a number such as 3.8"},
       {"unipc2_hb2", "the number after '_hb' is beta alone"}}));
  INFO(spec);
  CHECK_THROWS_AS(parse_solver(spec), ConfigError);
  CHECK_THROWS_WITH(parse_solver(spec), Contains(message));
}

TEST_CASE("a modifier that does not exist or does not belong") {
  const auto [spec, message] = GENERATE(table<std::string, std::string>(
      {{"euler_ancestrall",
        "no modifier '_ancestrall' (did you mean '_ancestral'?); there are: _ancestral, _sde"},
       {"euler_", "solver 'euler_': no modifier '_'"},
       {"euler__sde", "no modifier '_'"},
       {"euler_sde2", "no modifier '_sde2'"},
       {"euler_hb0.8", "'_hb' goes once, after abK, lmsK, deisK, dpmppKm, unipcK"},
       {"heun_nt", "'_nt' goes once, after abK, lmsK, deisK, dpmppKm"},
       {"heun_ghvb", "'_ghvb' goes once, after abK, lmsK, deisK"},
       {"unipc2_nt0.8", "'_nt' goes once, after"},
       {"unipc2_ghvb0.8", "'_ghvb' goes once, after"},
       {"hb3.8_nt0.8", "'_nt' goes once, after"},
       {"lms4_hb0.8_hb0.8", "'_hb' goes once, after"},
       {"plms_hb0.8", "'_hb' goes once, after abK"},
       {"plms_ancestral", "old slopes carry stale noise"},
       {"euler_heun", "'_heun' goes once, after dpmpp2m, unipK, unipcK"},
       {"ab2_bh1", "'_bh1' goes once, after dpmpp2m, unipK, unipcK"},
       {"unipc2_hb0.8_hb0.7", "'_hb' goes once, after"},
       {"dpmpp2m_heun_bh1", "'_bh1' goes once, after"},
       {"unip1_hb0.8", "'_hb' goes once, after"},
       {"unip1_bh1", "'_bh1' goes once, after"},
       {"dpmpp1m_heun", "'_heun' goes once, after"},
       {"dpmpp3m_bh1", "'_bh1' goes once, after"},
       {"euler_sde_sde", "'_sde' goes once, after dpmppKm, single steps"},
       {"euler_ancestral_sde", "'_sde' goes once, after"},
       {"renoise_ancestral", "'_ancestral' goes once, after single steps"},
       {"dpmpp2m_ghvb0.8",
        "ghvb replaces the extrapolation of slopes; on denoised images there are hb and nt"},
       {"dpmpp1m_hb0.8", "nothing that momentum acts on"},
       {"one_step_ancestral", "no further noise goes into one_step and dpmpp_sde"},
       {"dpmpp_sde_sde", "no further noise goes into one_step and dpmpp_sde"},
       {"ab4_ancestral", "old slopes carry stale noise"},
       {"dpmpp2m_ancestral", "old slopes carry stale noise"},
       {"unipc2_ancestral", "old slopes carry stale noise"},
       {"lms4_sde", "sde noise needs dpmpp1m, 2m or 3m without momentum, or a solver of single steps"},
       {"unipc2_sde", "sde noise needs"},
       {"dpmpp2m_sde_hb0.8", "sde noise needs"}}));
  INFO(spec);
  CHECK_THROWS_AS(parse_solver(spec), ConfigError);
  CHECK_THROWS_WITH(parse_solver(spec), Contains(message));
}

TEST_CASE("a beta of any digits has a name that reads back") {
  const double beta = GENERATE(1. / 3, 0.8, 1e-6, 1e-300);
  for (const char* spec : {"hb", "ghvb", "lms3_nt", "unipc2_hb"}) {
    const Solver solver = parse_solver(spec, {.beta = beta});
    const Solver back = parse_solver(solver_name(solver));
    INFO(solver_name(solver));
    CHECK(solver_name(back) == solver_name(solver));
    if (const auto* multistep = std::get_if<Multistep>(&back.method)) CHECK(multistep->momentum.beta == beta);
  }
}

TEST_CASE("what is put together without a name is checked, too") {
  CHECK_THAT(solver_problem({Multistep{.order = 6}}), Contains("order must be 1 to 5, got 6"));
  CHECK_THAT(solver_problem({UniPC{.order = 4}}), Contains("order must be 1 to 3, got 4"));
  CHECK_THAT(solver_problem({UniPC{.beta = 0}}), Contains("beta must be in (0, 1], got 0"));
  CHECK_THAT(solver_problem({Multistep{.momentum = {Momentum::Kind::nesterov, std::nan("")}}}),
             Contains("beta must be in (0, 1], got nan"));
  CHECK(solver_problem({Multistep{.order = 5}}).empty());
  for (const Multistep& other :
       {Multistep{.momentum = {Momentum::Kind::ghvb, 0.8}, .trapezoid_start = true},
        Multistep{.rule = Extrapolation::exponential, .order = 2, .trapezoid_start = true}})
    CHECK_THAT(solver_problem({other}), Contains("a trapezoid start is for slopes without momentum"));
}

TEST_CASE("an option that does not belong") {
  const auto [spec, options, message] = GENERATE(table<std::string, SolverOptions, std::string>(
      {{"hb3.8", {.order = 4}, "solver 'hb3.8': already says its order or beta: leave that option out"},
       {"hb3.8", {.beta = 0.8}, "already says its order or beta"},
       {"ab4", {.order = 4}, "already says its order or beta"},
       {"lms_hb0.8", {.beta = 0.8}, "already says its order or beta"},
       {"heun", {.order = 2}, "has no order to set"},
       {"plms", {.order = 3}, "has no order to set"},
       {"ab", {.beta = 0.8}, "has no momentum whose beta could be set"},
       {"heun", {.beta = 0.8}, "has no momentum whose beta could be set"},
       {"unipc2", {.beta = 0.8}, "has no momentum whose beta could be set"},
       {"hb", {.order = 6}, "order must be 1 to 5, got 6"},
       {"unipc", {.order = 4}, "order must be 1 to 3, got 4"},
       {"hb", {.beta = 0.0}, "beta must be in (0, 1], got 0"},
       {"hb", {.beta = 1.5}, "beta must be in (0, 1], got 1.5"},
       {"hb", {.beta = std::nan("")}, "beta must be in (0, 1], got nan"},
       {"euler", {.eta = 0.5}, "has no noise that eta and noise_scale could act on"},
       {"dpmpp2m", {.noise_scale = 0.5}, "has no noise that eta and noise_scale could act on"},
       {"renoise", {.eta = 0.5}, "has no noise that eta and noise_scale could act on"},
       {"heun", {.eta = 0.5, .churn = 1.0}, "has no noise that eta and noise_scale could act on"},
       {"heun", {.churn_min = 0.5}, "churn_min and churn_max need churn"},
       {"heun", {.churn_max = 0.5}, "churn_min and churn_max need churn"},
       {"euler_ancestral", {.churn = 1.0}, "churn is for a solver without noise of its own"},
       {"renoise", {.churn = 1.0}, "churn is for a solver without noise of its own"},
       {"dpmpp_sde", {.churn = 1.0}, "no further noise goes into one_step and dpmpp_sde"},
       {"one_step", {.churn = 1.0}, "no further noise goes into one_step and dpmpp_sde"},
       {"hb3.8", {.churn = 1.0}, "churn and ancestral noise need a solver of single steps"},
       {"dpmpp2m", {.churn = 1.0}, "old slopes carry stale noise"}}));
  INFO(spec);
  CHECK_THROWS_AS(parse_solver(spec, options), ConfigError);
  CHECK_THROWS_WITH(parse_solver(spec, options), Contains(message));
}

TEST_CASE("every solver of the list can be asked for, and costs what the list says") {
  for (const SolverInfo& info : list_solvers()) {
    std::string name = info.name;
    for (const auto& [letter, number] : std::map<std::string, std::string>{{"J.B", "1.8"}, {"K", "2"}})
      if (const size_t at = name.find(letter); at != std::string::npos)
        name.replace(at, letter.size(), number);
    INFO(name);
    const Solver solver = parse_solver(name);
    const bool one = name == "one_step";
    const std::map<std::string, int64_t> formulas{{"1", 1}, {"N", 7}, {"N+1", 8}, {"2N-1", 13}};
    CHECK(orders::network_calls(solver, one ? 1 : 7) == formulas.at(info.nfe));
  }
  for (const SolverInfo& info : list_solver_modifiers()) {
    std::string name = info.name;
    if (const size_t at = name.find("0.B"); at != std::string::npos) name.replace(at, 3, "0.5");
    INFO(name);
    const std::string base = name == "_ancestral" ? "euler" : name.starts_with("_ghvb") ? "lms4" : "dpmpp2m";
    CHECK_NOTHROW(parse_solver(base + name));
  }
}
