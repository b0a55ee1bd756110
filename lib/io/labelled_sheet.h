// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep::io {

/// Text in black on white, as uint8 [1, 20, W]: ASCII alone. Throws std::runtime_error in a build without
/// OpenCV.
at::Tensor text_image(const std::string& text);

/// cells[row][column], images uint8 [C, H, W] of one size (or undefined: left white), as a table with the
/// labels on its left and upper edge: one uint8 image [C, H', W']. Throws c10::Error when counts or sizes
/// disagree.
at::Tensor labelled_sheet(const std::vector<std::string>& rows, const std::vector<std::string>& columns,
                          const std::vector<std::vector<at::Tensor>>& cells);

}  // namespace onestep::io
