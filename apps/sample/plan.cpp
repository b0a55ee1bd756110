// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/plan.h"

#include <charconv>
#include <cmath>

#include <ATen/ops/isfinite.h>
#include <c10/util/StringUtil.h>

#include "apps/common/process.h"
#include "config/config.h"
#include "io/atomic_file.h"
#include "io/safetensors.h"
#include "samplers/seeds.h"

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

at::Tensor read_latents(const fs::path& path, const ImageShape& shape) {
  const at::Tensor latents = io::read_safetensors(path).at("latents");
  const std::vector<int64_t> image{shape.channels, shape.height, shape.width};
  if (latents.dim() != 4 || latents.size(0) == 0 || latents.sizes().slice(1) != at::IntArrayRef(image)) {
    throw io::FileError(path, c10::str("tensor 'latents' has shape ", latents.sizes(),
                                       ", the model needs [N, ", c10::Join(", ", image), "]"));
  }
  if (!at::isFloatingType(latents.scalar_type()) || !at::isfinite(latents).all().item<bool>()) {
    throw io::FileError(path, "tensor 'latents' must hold finite floating-point numbers");
  }
  return latents;
}

std::vector<int64_t> row_classes(size_t samples, int64_t columns) {
  std::vector<int64_t> classes(samples);
  for (size_t i = 0; i < samples; ++i) classes[i] = static_cast<int64_t>(i) / columns;
  return classes;
}

/// Finds out now whether a file can be written later: makes its folder and a temporary file in it.
void require_writable(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw io::FileError(folder, "can't be made: " + error.message());
  io::AtomicFile trial(file);
}

}  // namespace

Plan make_plan(const Options& o) {
  if (o.out.empty() && o.grid_file.empty() && o.raw.empty()) {
    throw ConfigError("nothing to write: give --out FOLDER, --grid-file FILE or --raw FILE");
  }
  const bool wants_sheet = !o.grid.empty() || !o.grid_file.empty() || o.class_grid > 0;
  if (wants_sheet && o.out.empty() && o.grid_file.empty()) {
    throw ConfigError("where does the sheet go? give --grid-file FILE or --out FOLDER");
  }
  std::optional<Cells> cells;
  if (!o.grid.empty()) cells = parse_cells(o.grid);
  std::vector<int64_t> seeds;
  if (!o.seeds.empty()) seeds = parse_seeds(o.seeds);

  Plan plan;
  plan.sampler = with_changes(sampler_of_model(o.model), o.sampler);
  const at::Device device = open_device(o.device);
  plan.denoiser = load_denoiser(o.model, device, o.dtype == "float64" ? at::kDouble : at::kFloat);
  const ImageShape shape = image_shape(plan.denoiser);
  const int64_t classes = label_dim(plan.denoiser);
  if ((wants_sheet || !o.out.empty()) && shape.channels != 1 && shape.channels != 3) {
    throw ConfigError("the model's images have " + std::to_string(shape.channels) +
                      " channels and PNG files 1 or 3: --raw takes them");
  }

  if (o.class_grid > 0) {
    if (classes == 0) throw ConfigError("--class-grid: the model is unconditional");
    cells = Cells{classes, o.class_grid};
  }
  if (!o.latents.empty()) {
    plan.request.latents = read_latents(o.latents, shape);
    seeds = consecutive_seeds(0, plan.request.latents.size(0));
  } else if (seeds.empty()) {
    seeds = consecutive_seeds(0, cells ? cells->rows * cells->columns : 64);
  }
  plan.request.seeds = seeds;
  if (o.class_grid > 0) {
    if (static_cast<int64_t>(seeds.size()) != cells->rows * cells->columns) {
      throw ConfigError(c10::str("--class-grid ", o.class_grid, " for ", classes, " classes takes ",
                                 cells->rows * cells->columns, " samples, got ", seeds.size()));
    }
    plan.request.classes = row_classes(seeds.size(), o.class_grid);
  } else if (o.one_class) {
    const std::string problem = class_problem(plan.denoiser, *o.one_class);
    if (!problem.empty()) throw ConfigError("--" + problem);
    plan.request.classes.assign(seeds.size(), *o.one_class);
  }

  if (!o.out.empty()) plan.folder = o.out;
  if (!o.raw.empty()) plan.raw = o.raw;
  if (wants_sheet) {
    const auto [rows, columns] = cells.value_or(cells_for(static_cast<int64_t>(seeds.size())));
    plan.sheet =
        Sheet{o.grid_file.empty() ? *plan.folder / "grid.png" : fs::path(o.grid_file), rows, columns, o.zoom};
    require_writable(plan.sheet->file);
  }
  plan.sidecar = plan.folder ? *plan.folder / "samples.json"
                             : fs::path((plan.sheet ? plan.sheet->file : *plan.raw).string() + ".json");
  if (plan.raw) require_writable(*plan.raw);
  require_writable(plan.sidecar);
  return plan;
}

}  // namespace onestep
