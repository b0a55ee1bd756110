// SPDX-License-Identifier: Apache-2.0
#include "io/labelled_sheet.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <c10/util/Exception.h>

namespace onestep::io {
namespace {

constexpr int64_t kMargin = 8;

/// Puts `image` into `sheet` with its upper left corner there; grey goes into every channel.
void put(at::Tensor& sheet, const at::Tensor& image, int64_t top, int64_t left) {
  sheet.narrow(1, top, image.size(1)).narrow(2, left, image.size(2)).copy_(image);
}

}  // namespace

at::Tensor labelled_sheet(const std::vector<std::string>& rows, const std::vector<std::string>& columns,
                          const std::vector<std::vector<at::Tensor>>& cells) {
  TORCH_CHECK(cells.size() == rows.size(), "labelled_sheet: ", cells.size(), " rows, ", rows.size(),
              " labels");
  at::Tensor first;
  for (const auto& row : cells) {
    TORCH_CHECK(row.size() == columns.size(), "labelled_sheet: ", row.size(), " cells in a row, ",
                columns.size(), " labels");
    for (const at::Tensor& cell : row) {
      if (cell.defined() && !first.defined()) first = cell;
      TORCH_CHECK(!cell.defined() || (cell.dim() == 3 && cell.sizes() == first.sizes()),
                  "labelled_sheet: cells of different sizes");
    }
  }
  TORCH_CHECK(first.defined(), "labelled_sheet: no cells");

  std::vector<at::Tensor> row_texts, column_texts;
  int64_t label_width = 0, cell_width = first.size(2);
  for (const std::string& text : rows) row_texts.push_back(text_image(text));
  for (const std::string& text : columns) column_texts.push_back(text_image(text));
  for (const at::Tensor& text : row_texts) label_width = std::max(label_width, text.size(2));
  for (const at::Tensor& text : column_texts) cell_width = std::max(cell_width, text.size(2));
  const int64_t text_height = text_image("x").size(1), cell_height = std::max(first.size(1), text_height);
  const int64_t top = 2 * kMargin + text_height, left = 2 * kMargin + label_width;
  const auto x_of = [&](size_t column) {
    return left + static_cast<int64_t>(column) * (cell_width + kMargin);
  };
  const auto y_of = [&](size_t row) { return top + static_cast<int64_t>(row) * (cell_height + kMargin); };

  at::Tensor sheet = at::full({first.size(0), y_of(rows.size()), x_of(columns.size())}, 255, at::kByte);
  for (size_t c = 0; c < columns.size(); ++c) put(sheet, column_texts[c], kMargin, x_of(c));
  for (size_t r = 0; r < rows.size(); ++r) {
    put(sheet, row_texts[r], y_of(r) + (cell_height - text_height) / 2, kMargin);
    for (size_t c = 0; c < columns.size(); ++c)
      if (cells[r][c].defined()) put(sheet, cells[r][c], y_of(r), x_of(c));
  }
  return sheet;
}

}  // namespace onestep::io
