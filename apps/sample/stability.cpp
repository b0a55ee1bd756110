// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/stability.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "apps/common/arguments.h"
#include "config/node.h"
#include "config/printable.h"
#include "config/suggest.h"
#include "io/atomic_file.h"
#include "pages/chart_style.h"
#include "samplers/solver_names.h"
#include "samplers/stability.h"
#include "samplers/stability_chart.h"

namespace onestep {
namespace {

constexpr size_t kSolvers = 5;  // with a base method, as many as there are colours

struct StabilityOptions {
  std::vector<std::string> solvers;
  SolverOptions parts;
  std::string out;
};

void draw(const StabilityOptions& options) {
  std::vector<Solver> solvers;
  std::vector<std::string> names;
  for (const std::string& spec : options.solvers) {
    solvers.push_back(parse_solver(spec, options.parts));
    names.push_back(solver_name(solvers.back()));
  }
  if (solvers.size() > kSolvers)
    throw config::ConfigError("--sampler: a picture holds up to " + std::to_string(kSolvers) +
                              " solvers, not " + std::to_string(solvers.size()));
  const auto limit = [](const Solver& solver) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", real_axis_limit(amplification(solver)));
    return std::string(text);
  };
  std::string lines;
  for (size_t i = 0; i < solvers.size(); ++i) {
    const Solver base = base_method(solvers[i]);
    lines += names[i] + ": stable for " + limit(solvers[i]) + " <= z <= 0 on the real axis";
    lines += solver_name(base) == names[i] ? "\n" : "; " + solver_name(base) + ": " + limit(base) + "\n";
  }
  const std::string out = options.out.empty() ? config::join(names, "_") + ".svg" : options.out;
  io::write_file_atomically(out, pages::standalone_svg(stability_chart(solvers)));
  std::printf("%s%s\n", lines.c_str(), config::printable(out).c_str());
}

/// CLI11 fills required positional options before it looks for subcommands. So what the app requires is asked
/// for afterwards, of those who name no subcommand; those who do give nothing else.
void require_late(CLI::App& app) {
  const auto late = app.get_options(
      [](const CLI::Option* option) { return option->get_positional() && option->get_required(); });
  for (CLI::Option* option : late) option->required(false);
  app.parse_complete_callback([&app, late] {
    const auto commands = app.get_subcommands();
    for (const CLI::Option* option : app.get_options())
      if (!commands.empty() && !option->empty())
        throw CLI::ExcludesError(option->get_name(), commands.front()->get_name());
    for (const CLI::Option* option : late)
      if (commands.empty() && option->empty()) throw CLI::RequiredError(option->get_name());
  });
}

}  // namespace

void add_stability(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "stability", "draws where a solver's errors die out on y' = ly, z = hl, beside its base method");
  const auto o = std::make_shared<StabilityOptions>();
  command
      ->add_option("--sampler,--solver", o->solvers, "such as ghvb3.8; several, with commas, in one picture")
      ->delimiter(',')
      ->required()
      ->type_name("NAME");
  command->add_option("--order", o->parts.order, "order, where the solver's name does not say it");
  command->add_option("--beta", o->parts.beta, "weight of the new slope in a momentum solver");
  command->add_option("--out", o->out, "the picture's file (default: NAME.svg)")
      ->check(is_path())
      ->type_name("FILE.svg");
  require_late(app);
  command->callback([o] {
    draw(*o);
    throw CLI::Success();  // there is nothing else to do
  });
}

}  // namespace onestep
