// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Images as HTML, each an <img> with its PNG inside, so that rows break where the window ends.
namespace onestep {

std::string pictures_style();

/// How many of `wanted` images such as these ([N, C, H, W]) a gallery may show, so that a page stays below
/// about 3 MB: all of 32 x 32, a quarter of larger colour images, at least two.
int64_t affordable(const at::Tensor& images, int64_t wanted);

/// One image uint8 [C, H, W]: small ones are enlarged by the browser, ones above 64 pixels a side are shrunk
/// to means over blocks.
std::string picture(const at::Tensor& image, const std::string& text);

/// Images [N, C, H, W] in rows.
std::string pictures(const at::Tensor& images, const std::string& text);

/// One or two images side by side with a value in bold and lines in small print.
struct Tile {
  std::vector<at::Tensor> images;
  std::string value;
  std::vector<std::string> lines;
};
std::string tiles(const std::vector<Tile>& tiles);

}  // namespace onestep
