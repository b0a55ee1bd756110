// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/options.h"

#include <algorithm>
#include <cstdio>

#include "apps/common/arguments.h"
#include "config/config.h"
#include "config/merge.h"
#include "networks/precision.h"

namespace onestep {
namespace {

using Row = std::vector<std::string>;

/// Rows of words in columns as wide as they must be, the first row their headings.
void print_table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  for (const Row& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c)
      line += row[c] + (c + 1 < row.size() ? std::string(widths[c] + 2 - row[c].size(), ' ') : "\n");
    std::printf("%s", line.c_str());
  }
}

void print_list() {
  std::vector<Row> solvers{{"solver", "order", "calls", "what it is (N steps, the one to sigma 0 included)"}};
  for (const SolverInfo& s : list_solvers()) solvers.push_back({s.name, s.order, s.nfe, s.meaning});
  std::vector<Row> modifiers{{"modifier", "after", "what it adds"}};
  for (const SolverInfo& m : list_solver_modifiers()) modifiers.push_back({m.name, m.order, m.meaning});
  std::vector<Row> grids{{"sigma grid", "parameters", "range", "what it is"}};
  for (const SigmaGridInfo& g : list_sigma_grids())
    grids.push_back({g.name, g.parameters, g.range, g.meaning});
  print_table(solvers);
  std::printf("\n");
  print_table(modifiers);
  std::printf("\n");
  print_table(grids);
  throw CLI::Success();
}

/// What stands after an option, as the value of a configuration's field.
std::string yaml(const std::string&, const std::string& text) {
  return config::flow_text(config::encode(text));
}
template <class T>
std::string yaml(const std::vector<T>&, const std::string& text) {
  return "[" + text + "]";
}
template <class T>
std::string yaml(const T&, const std::string& text) {
  return text;
}

constexpr const char* kSampler = "Sampler (default: the model's own, else heun, 18 steps)";

/// An option for every field of the sampler: what is given is laid over the model's own.
void declare_sampler(CLI::App& app, config::Partial<SamplerConfig>& sampler) {
  const auto option = [&](const std::string& key, const auto& field, const char* meaning,
                          const config::Check& = config::any) {
    std::string name = "--" + key;
    std::ranges::replace(name, '_', '-');
    if (key == "solver") name += ",--sampler";
    const auto take = [&sampler, key, field](const std::string& text) {
      config::apply_override(sampler.changes, key + "=" + yaml(field, text));
    };
    app.add_option_function<std::string>(name, take, meaning)->type_name("")->group(kSampler);
  };
  const SamplerConfig fields;
  SamplerConfig::fields(fields, option);
}

}  // namespace

void declare(CLI::App& app, Options& o) {
  app.add_flag_callback("--list", print_list,
                        "list the solvers, what may follow their names, and the sigma grids");
  app.add_option("model", o.model, "model file (safetensors)")
      ->required()
      ->check(is_path())
      ->type_name("MODEL");

  declare_sampler(app, o.sampler);
  app.add_option("--guide", o.guide, "guidance leads away from this weaker model (autoguidance)")
      ->check(is_path())
      ->type_name("MODEL")
      ->group(kSampler);

  app.add_option(
         "--decoder", o.decoder,
         "of a model of latents: the autoencoder that makes pictures of them, a model file or a folder "
         "in diffusers' layout (default: the model's own)")
      ->check(is_path())
      ->type_name("MODEL");

  const std::string what = "Samples";
  CLI::Option* seeds =
      app.add_option("--seeds", o.seeds, "such as 0-63,100; one sample each (default: fill the sheet)");
  seeds->check(is_given())->group(what);
  app.add_option("--latents", o.latents,
                 "start from tensor 'latents' [N,C,H,W], unit variance, of this safetensors file; one that "
                 "--stop-after left is continued as it began: solver, guidance, guide, precision")
      ->check(is_path())
      ->excludes(seeds)
      ->group(what);
  CLI::Option* one_class = app.add_option(
      "--class", o.one_class,
      "class of all samples (default: from each seed, of those that the model was trained on)");
  one_class->group(what);
  app.add_option("--class-grid", o.class_grid, "a sheet with a row for each class and this many columns")
      ->check(CLI::Range(1, 1000))
      ->excludes(one_class)
      ->group(what);

  CLI::Option* stop_after = app.add_option("--stop-after", o.stop_after,
                                           "cut the run after so many steps; --raw takes what goes on");
  stop_after->check(CLI::Range(int64_t{1}, int64_t{1} << 20))->group(what);

  const std::string where = "Output";
  app.add_option("--out", o.out, "folder for a PNG file for each sample, named by its seed")
      ->check(is_path())
      ->group(where);
  app.add_flag("--subdirs", o.subdirs, "in sub-folders of 1000 seeds")->needs("--out")->group(where);
  app.add_option("--zip", o.zip, "the same files in a zip, with dataset.json where there are classes")
      ->check(is_path())
      ->group(where);
  app.add_option("--npz", o.npz, "uint8 array arr_0 [N,H,W,C], and the classes as arr_1")
      ->check(is_path())
      ->group(where);
  app.add_option(
         "--grid", o.grid,
         "one sheet of ROWSxCOLUMNS samples, such as 8x8: OUT_grid.png beside the folder, or --grid-file")
      ->excludes("--class-grid")
      ->group(where);
  app.add_option("--grid-file", o.grid_file, "the sheet's file (PNG)")->check(is_path())->group(where);
  app.add_option("--zoom", o.zoom, "size of a pixel on the sheet")->check(CLI::Range(1, 64))->group(where);
  app.add_option("--trajectory", o.trajectory,
                 "PNG with a row for each of the first 16 samples: the denoised image at every step")
      ->check(is_path())
      ->group(where);
  app.add_option("--raw", o.raw, "safetensors file for tensor 'samples' [N,C,H,W], not rounded to 8 bits")
      ->check(is_path())
      ->group(where);

  const std::string side = "Comparison";
  app.add_option("--compare", o.compare,
                 "solvers such as euler,heun,ghvb3.8, each at every number of steps: OUT/compare.png, "
                 "compare.csv, compare.json")
      ->needs("--out")
      ->excludes(stop_after)
      ->group(side);
  app.add_option("--steps-list", o.steps_list, "those numbers")->capture_default_str()->group(side);
  app.add_option("--reference-steps", o.reference_steps, "of Heun's method, for the distance")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str()
      ->group(side);

  const std::string machine = "Machine";
  app.add_option("--batch", o.batch, "samples at a time; the images do not depend on it")
      ->check(CLI::Range(int64_t{1}, kLargestBatch))
      ->capture_default_str()
      ->group(machine);
  std::vector<std::string> precisions = precision_names();
  precisions.emplace_back(kDoublePrecision);
  app.add_option("--precision,--dtype", o.precision,
                 "what the network computes in (the solver's state is float64): float32 (default); auto is "
                 "bfloat16 where the device is quick with it")
      ->check(CLI::IsMember(precisions))
      ->group(machine);
  app.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str()->group(machine);
  app.add_option("--threads", o.threads, "CPU threads; 0 is OMP_NUM_THREADS or all cores")
      ->check(CLI::Range(int64_t{0}, kMostThreads))
      ->capture_default_str()
      ->group(machine);
  add_rank_options(app, o.ranks, machine);
}

}  // namespace onestep
