// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

/// Classes of images: integers from 0 up, and one class more than the largest, as EDM counts them.
struct ImageLabels {
  at::Tensor values;                    ///< int64 [N], each in [0, classes)
  int64_t classes = 0;                  ///< at most 10⁶
  std::vector<std::string> names = {};  ///< of the classes; none: they are numbers
};

/// From any tensor of integers. Throws io::FileError, which calls it `name` of the file `origin`: not [count]
/// integers, or a label below 0 or of 10⁶ and more.
ImageLabels checked_labels(const at::Tensor& labels, int64_t count, const std::filesystem::path& origin,
                           const std::string& name);

/// From EDM's dataset.json, {"labels": [["folder/name.png", 3], …]} or {"labels": null}, for the files
/// `names`, which are sorted; "class_names", a list of strings, is onestep-data's addition. Nothing where the
/// labels are null. Throws io::FileError, naming `origin` and the image: no such JSON, labels that are not
/// integers or out of range, a file without a label, a label without a file, two labels for one file, another
/// number of names than of classes.
std::optional<ImageLabels> parse_labels(std::string_view json, const std::filesystem::path& origin,
                                        const std::vector<std::string>& names);

}  // namespace onestep
