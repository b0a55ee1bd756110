// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/plan.h"

#include <charconv>
#include <cmath>

#include <ATen/ops/isfinite.h>
#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "apps/common/process.h"
#include "apps/sample/sample_folder.h"
#include "apps/sample/state.h"
#include "config/config.h"
#include "config/merge.h"
#include "data/dataset.h"
#include "io/atomic_file.h"
#include "io/folder.h"
#include "io/log.h"
#include "networks/model_codec.h"
#include "networks/precision.h"
#include "samplers/pictures.h"
#include "samplers/seeds.h"
#include "samplers/solver_names.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;
using config::ConfigError;

struct Cells {
  int64_t rows, columns;
};

/// "8x12" → 8 rows of 12.
Cells parse_cells(const std::string& text) {
  Cells cells{0, 0};
  const char* const end = text.data() + text.size();
  const auto rows = std::from_chars(text.data(), end, cells.rows);
  const bool cross = rows.ec == std::errc() && rows.ptr != end && *rows.ptr == 'x';
  const auto columns = cross ? std::from_chars(rows.ptr + 1, end, cells.columns) : rows;
  if (!cross || columns.ec != std::errc() || columns.ptr != end || cells.rows < 1 || cells.columns < 1 ||
      cells.rows > 1000 || cells.columns > 1000) {
    throw ConfigError("--grid: expected ROWSxCOLUMNS such as 8x8, got '" + config::shown(text) +
                      "' (the sheet's file is --grid-file)");
  }
  return cells;
}

/// As square as may be.
Cells cells_for(int64_t samples) {
  const auto columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(samples))));
  return {(samples + columns - 1) / columns, columns};
}

/// A row of samples for each class.
std::vector<int64_t> row_classes(const std::vector<int64_t>& rows, int64_t columns) {
  std::vector<int64_t> classes;
  for (const int64_t c : rows) classes.insert(classes.end(), columns, c);
  return classes;
}

/// Finds out now whether a file can be written later: makes its folder and a temporary file in it.
void require_writable(const fs::path& file) {
  if (file.has_parent_path()) io::make_folders(file.parent_path());
  io::AtomicFile trial(file);
}

/// "out_grid.png" of "out": what lies in the folder of samples is taken for samples.
fs::path sheet_beside(const fs::path& folder) {
  const fs::path place = (folder / "").lexically_normal().parent_path();
  if (!place.has_filename() || place.filename() == "." || place.filename() == "..")
    throw ConfigError("where does the sheet go? give --grid-file FILE");
  return place.string() + "_grid.png";
}

bool wants_sheet(const Options& o) {
  return !o.grid.empty() || !o.grid_file.empty() || o.class_grid > 0;
}

bool wants_images(const Options& o) {
  return wants_sheet(o) || !o.out.empty() || !o.zip.empty() || !o.npz.empty() || !o.trajectory.empty();
}

/// What can be said without a model.
void check_outputs(const Options& o) {
  if (!wants_images(o) && o.raw.empty())
    throw ConfigError(
        "nothing to write: give --out FOLDER, --grid-file FILE, --zip FILE, --npz FILE, --trajectory FILE or "
        "--raw FILE");
  if (wants_sheet(o) && o.out.empty() && o.grid_file.empty())
    throw ConfigError("where does the sheet go? give --grid-file FILE or --out FOLDER");
  if (o.stop_after > 0 && (wants_images(o) || o.raw.empty()))
    throw ConfigError("--stop-after leaves noise, not images: give --raw FILE alone");
}

/// What makes pictures of samples of that shape.
Codec codec_for(const Options& o, const ImageShape& samples, at::Device device) {
  Codec codec = o.decoder.empty() ? codec_of_model(o.model, device) : load_codec(o.decoder, device);
  ImageShape pictures{};
  try {
    pictures = picture_shape(codec, samples);
  } catch (const c10::Error& error) {
    throw ConfigError("--decoder: " + std::string(error.what_without_backtrace()));
  }
  if (pictures.channels == 1 || pictures.channels == 3) return codec;
  if (!o.decoder.empty())
    throw ConfigError(c10::str("--decoder: it makes images of ", pictures.channels,
                               " channels and image files have 1 or 3: --raw takes the samples"));
  throw ConfigError(c10::str("the model's images have ", pictures.channels,
                             " channels and image files 1 or 3: --raw takes them, and --decoder FILE makes "
                             "pictures of them where they are an autoencoder's latents"));
}

/// Seeds, classes (of `among`, unless one is asked for) and latents, and the sheet's cells where samples are
/// laid out by them.
SampleRequest make_request(const Options& o, const Denoiser& denoiser, const std::vector<int64_t>& among,
                           const std::optional<Cells>& cells, const std::optional<State>& state,
                           const std::vector<int64_t>& seeds) {
  SampleRequest request{.among = among, .stop_after = o.stop_after, .trajectory = !o.trajectory.empty()};
  if (state) {
    request.latents = state->latents;
    request.seeds = state->seeds;
    request.classes = state->classes;
    request.steps_done = state->steps_done;
  } else if (!seeds.empty()) {
    request.seeds = seeds;
  } else {
    request.seeds = consecutive_seeds(0, cells ? cells->rows * cells->columns : 64);
  }
  const size_t count = request.seeds.size();
  if (o.class_grid > 0) {
    if (static_cast<int64_t>(count) != cells->rows * cells->columns)
      throw ConfigError(c10::str("--class-grid ", o.class_grid, " for ", cells->rows, " classes takes ",
                                 cells->rows * cells->columns, " samples, got ", count));
    request.classes = row_classes(among, o.class_grid);
  } else if (o.one_class) {
    const std::string problem = class_problem(denoiser, *o.one_class);
    if (!problem.empty()) throw ConfigError("--" + problem);
    request.classes.assign(count, *o.one_class);
  }
  return request;
}

}  // namespace

Plan make_plan(const Options& o, const Communicator& ranks) {
  check_outputs(o);
  std::optional<Cells> cells;
  if (!o.grid.empty()) cells = parse_cells(o.grid);
  std::vector<int64_t> seeds;
  if (!o.seeds.empty()) seeds = parse_seeds(o.seeds);  // a bad list is said before a model is loaded

  Plan plan{.ranks = ranks};
  const at::Device device = plan.device = open_device(o.device, ranks.local_rank);
  plan.workers = use_workers(o.threads, /*threads=*/1, device);
  SamplerConfig own = sampler_of_model(o.model);
  std::optional<State> state;
  if (!o.latents.empty()) state = read_state(o.latents);
  const FirstHalf* const first = state && state->first_half ? &*state->first_half : nullptr;
  plan.guide = o.guide.empty() && first ? first->guide : o.guide;
  plan.precision =
      use_precision("--precision", o.precision.value_or(first ? first->precision : "float32"), device);
  if (first) {
    require_same_files(*first, o.latents, o.model, plan.guide);
    own = first->sampler;
  }
  const auto load = [&](const std::string& path) {
    if (plan.precision == kDoublePrecision) return load_denoiser(path, device, at::kDouble);
    return rounded(load_denoiser(path, device), network_type(plan.precision));
  };
  plan.denoiser = load(o.model);
  plan.data = data_of_model(o.model);
  const std::vector<int64_t> among = trained_classes(plan.denoiser, plan.data);
  const ImageShape shape = image_shape(plan.denoiser);
  if (state) require_shape(*state, o.latents, shape);
  config::Partial<SamplerConfig> changes = o.sampler;
  if (state && !state->sigmas.empty() && !changes.says("sigmas"))
    config::apply_override(changes.changes, "sigmas=" + config::flow_text(config::encode(state->sigmas)));
  plan.sampler = for_model(with_changes(own, changes), plan.denoiser);
  if (state && state->steps_done > 0 && has_history(solver_of(plan.sampler)))
    io::log_warning(
        solver_name(solver_of(plan.sampler)) +
        " goes on without what it knew of the steps before the cut: the samples are near those of "
        "an uncut run, not the same");
  if (const size_t steps = sigmas_of(plan.sampler).size() - 1;
      o.stop_after >= static_cast<int64_t>(steps) && o.stop_after > 0)
    throw ConfigError(c10::str("--stop-after ", o.stop_after, ": the run has ", steps, " steps in all"));
  if (wants_images(o)) plan.codec = codec_for(o, shape, device);
  if (o.class_grid > 0) {
    if (label_dim(plan.denoiser) == 0) throw ConfigError("--class-grid: the model is unconditional");
    cells = Cells{static_cast<int64_t>(among.size()), o.class_grid};
  }
  plan.request = make_request(o, plan.denoiser, among, cells, state, seeds);
  const bool by_itself = plan.request.classes.empty() || o.class_grid > 0;
  if (by_itself && static_cast<int64_t>(among.size()) < label_dim(plan.denoiser))
    io::log_warning("model: " + empty_classes(plan.data->class_counts) +
                    " in its training data; left out (--class asks for it all the same)");
  if (!plan.guide.empty()) plan.request.guide = load(plan.guide);
  if (const std::string problem = guidance_problem(plan.denoiser, plan.sampler, plan.request.guide);
      !problem.empty())
    throw ConfigError(problem);

  const auto require_place = [&](const fs::path& path) {
    if (ranks.rank == 0) require_writable(path);
  };
  const auto file = [&](const std::string& path) {
    if (!path.empty()) require_place(path);
    return path.empty() ? std::optional<fs::path>() : std::optional<fs::path>(path);
  };
  plan.zip = file(o.zip);
  plan.npz = file(o.npz);
  plan.trajectory = file(o.trajectory);
  plan.raw = file(o.raw);
  if (!o.out.empty()) plan.folder = o.out;
  plan.subdirs = o.subdirs;
  if (wants_sheet(o)) {
    const auto [rows, columns] = cells.value_or(cells_for(static_cast<int64_t>(plan.request.seeds.size())));
    plan.sheet = Sheet{o.grid_file.empty() ? sheet_beside(*plan.folder) : fs::path(o.grid_file), rows,
                       columns, o.zoom};
    refuse_among_samples("--grid-file", plan.sheet->file, plan.folder);
    require_place(plan.sheet->file);
  }
  if (plan.trajectory) refuse_among_samples("--trajectory", *plan.trajectory, plan.folder);
  if (!o.compare.empty()) refuse_among_samples("--compare", *plan.folder / "compare.png", std::nullopt);
  plan.sidecar = plan.folder ? *plan.folder / kSampleList : "";
  for (const auto& beside : {plan.sheet ? std::optional(plan.sheet->file) : std::nullopt, plan.zip, plan.npz,
                             plan.trajectory, plan.raw})
    if (plan.sidecar.empty() && beside) plan.sidecar = beside->string() + ".json";
  require_place(plan.sidecar);
  return plan;
}

}  // namespace onestep
