// SPDX-License-Identifier: Apache-2.0
// Stands in for image_opencv.cpp where OpenCV is not to be had.
#include <stdexcept>

#include "io/image.h"
#include "io/labelled_sheet.h"

namespace onestep::io {
namespace {

[[noreturn]] void refuse() {
  throw std::runtime_error(
      "this build cannot read or write images: it was configured with -DONESTEP_OPENCV=OFF");
}

}  // namespace

bool has_image_files() {
  return false;
}

std::string encode_png(const at::Tensor&, const std::map<std::string, std::string>&) {
  refuse();
}

at::Tensor decode_image(std::string_view, const std::filesystem::path&) {
  refuse();
}

at::Tensor text_image(const std::string&) {
  refuse();
}

}  // namespace onestep::io
