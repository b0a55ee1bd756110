// SPDX-License-Identifier: Apache-2.0
// The only file that sees OpenCV: PNG to memory, and text as pixels. Decoding has files of its own, because
// OpenCV takes damaged images and leaves libjpeg and libpng to print what is wrong.
#include <vector>

#include <ATen/ops/full.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "io/image.h"
#include "io/image_codecs.h"
#include "io/image_format.h"
#include "io/labelled_sheet.h"
#include "io/png_text.h"

namespace onestep::io {
namespace {

// [H,W,3] RGB to BGR, OpenCV's order; grey stays.
at::Tensor swap_red_and_blue(const at::Tensor& pixels) {
  return pixels.size(2) == 3 ? pixels.flip(2) : pixels;
}

}  // namespace

bool has_image_files() {
  return true;
}

std::string encode_png(const at::Tensor& image, const std::map<std::string, std::string>& text) {
  TORCH_CHECK(image.dim() == 3 && image.scalar_type() == at::kByte &&
                  (image.size(0) == 1 || image.size(0) == 3) && image.numel() > 0,
              "encode_png: an image is uint8 [1 or 3, H, W], got ", image.scalar_type(), " ", image.sizes());
  const at::Tensor pixels = swap_red_and_blue(image.detach().to(at::kCPU).permute({1, 2, 0})).contiguous();
  const int type = image.size(0) == 3 ? CV_8UC3 : CV_8UC1;
  const cv::Mat view(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)), type,
                     pixels.data_ptr());
  std::vector<uchar> bytes;
  bool done = false;
  try {
    done = cv::imencode(".png", view, bytes);
  } catch (const cv::Exception& error) {
    TORCH_CHECK(false, "encode_png: ", error.err);
  }
  TORCH_CHECK(done, "encode_png: an image of ", image.sizes(), " cannot be encoded");
  return with_png_text(std::string(bytes.begin(), bytes.end()), text);
}

at::Tensor decode_image(std::string_view bytes, const std::filesystem::path& origin) {
  if (const std::string problem = image_problem(bytes); !problem.empty()) throw FileError(origin, problem);
  constexpr std::string_view kPng = "\x89PNG";
  return bytes.starts_with(kPng) ? decode_png(bytes, origin) : decode_jpeg(bytes, origin);
}

at::Tensor text_image(const std::string& text) {
  constexpr int kHeight = 20, kBaseline = 14, kFont = cv::FONT_HERSHEY_SIMPLEX;
  constexpr double kScale = 0.45;
  int below = 0;
  const cv::Size size = cv::getTextSize(text, kFont, kScale, 1, &below);
  at::Tensor image = at::full({1, kHeight, std::max(size.width, 1)}, 255, at::kByte);
  cv::Mat view(kHeight, static_cast<int>(image.size(2)), CV_8UC1, image.data_ptr());
  cv::putText(view, text, {0, kBaseline}, kFont, kScale, cv::Scalar(0), 1, cv::LINE_AA);
  return image;
}

}  // namespace onestep::io
