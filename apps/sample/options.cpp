// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/options.h"

#include <cstdio>

namespace onestep {
namespace {

void print_solvers() {
  std::printf("%-10s %-24s %-6s %s\n", "solver", "order", "NFE",
              "what it is (N steps, the one to sigma 0 included)");
  for (const SolverInfo& s : list_solvers()) {
    std::printf("%-10s %-24s %-6s %s\n", s.name.c_str(), s.order.c_str(), s.nfe.c_str(), s.meaning.c_str());
  }
  throw CLI::Success();
}

}  // namespace

void declare(CLI::App& app, Options& o) {
  app.add_flag_callback("--list", print_solvers, "list the solvers");
  app.add_option("model", o.model, "model file (safetensors)")->required()->type_name("MODEL");

  const std::string how = "Sampler (default: the model's own, else heun, 18 steps)";
  app.add_option("--solver,--sampler", o.sampler.solver, "one_step, euler, heun, hb3.8 ... (--list)")
      ->group(how);
  app.add_option("--order", o.sampler.order, "order of the solver 'hb', 1 to 5")->group(how);
  app.add_option("--beta", o.sampler.beta, "weight of the new slope in the solver 'hb', in (0, 1]")
      ->group(how);
  const auto grid = [&](CLI::Option* option) { return option->group(how); };
  CLI::Option* steps =
      grid(app.add_option("--steps", o.sampler.steps, "steps, the one to noise level 0 included"));
  CLI::Option* sigma_min =
      grid(app.add_option("--sigma-min", o.sampler.sigma_min, "lowest noise level before 0"));
  CLI::Option* sigma_max =
      grid(app.add_option("--sigma-max", o.sampler.sigma_max, "noise level of the start"));
  CLI::Option* rho =
      grid(app.add_option("--rho", o.sampler.rho, "how steps crowd towards low noise; 1 is evenly"));
  grid(app.add_option("--sigmas", o.sampler.sigmas, "all noise levels instead, such as 80,10,2,0.5,0"))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->excludes(steps)
      ->excludes(sigma_min)
      ->excludes(sigma_max)
      ->excludes(rho);

  const std::string what = "Samples";
  CLI::Option* seeds =
      app.add_option("--seeds", o.seeds, "such as 0-63,100; one sample each (default: fill the sheet)");
  seeds->group(what);
  app.add_option("--latents", o.latents,
                 "start from tensor 'latents' [N,C,H,W], unit variance, of this safetensors file")
      ->excludes(seeds)
      ->group(what);
  CLI::Option* one_class =
      app.add_option("--class", o.one_class, "class of all samples (default: from each seed)");
  one_class->group(what);
  app.add_option("--class-grid", o.class_grid, "a sheet with a row for each class and this many columns")
      ->check(CLI::Range(1, 1000))
      ->excludes(one_class)
      ->group(what);

  const std::string where = "Output";
  app.add_option("--out", o.out, "folder for a PNG file for each sample, named by its seed")->group(where);
  app.add_option("--grid", o.grid,
                 "one sheet of ROWSxCOLUMNS samples, such as 8x8: OUT/grid.png or --grid-file")
      ->excludes("--class-grid")
      ->group(where);
  app.add_option("--grid-file", o.grid_file, "the sheet's file (PNG)")->group(where);
  app.add_option("--zoom", o.zoom, "size of a pixel on the sheet")->check(CLI::Range(1, 64))->group(where);
  app.add_option("--raw", o.raw, "safetensors file for tensor 'samples' [N,C,H,W], not rounded to 8 bits")
      ->group(where);

  const std::string machine = "Machine";
  app.add_option("--batch", o.batch, "samples at a time; the images do not depend on it")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str()
      ->group(machine);
  app.add_option("--dtype", o.dtype, "the network's precision (the solver's is float64)")
      ->check(CLI::IsMember({"float32", "float64"}))
      ->capture_default_str()
      ->group(machine);
  app.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str()->group(machine);
  app.add_option("--threads", o.threads, "CPU threads; 0 is all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str()
      ->group(machine);
}

}  // namespace onestep
