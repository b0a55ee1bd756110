// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report/pictures.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/adaptive_avg_pool2d.h>

#include "io/image.h"
#include "pages/html.h"

namespace onestep {
namespace {

constexpr int64_t kLargest = 64;  // pixels a side that a page holds

/// The side on the page, in CSS pixels: small images grow by a whole factor.
int64_t shown_width(int64_t width) {
  constexpr int64_t kSmall = 56, kLarge = 96;
  return width < kSmall ? width * ((kSmall + width / 2) / width) : std::min(width, kLarge);
}

at::Tensor thumbnail(const at::Tensor& image) {
  const int64_t h = image.size(1), w = image.size(2), longest = std::max(h, w);
  if (longest <= kLargest) return image;
  const auto side = [&](int64_t length) { return std::max<int64_t>(1, length * kLargest / longest); };
  return at::adaptive_avg_pool2d(image.to(at::kFloat), {side(h), side(w)}).round().to(at::kByte);
}

}  // namespace

std::string pictures_style() {
  return R"(
.pictures { display: flex; flex-wrap: wrap; gap: 3px; margin: .5rem 0; }
.pictures img, .tiles img { image-rendering: pixelated; height: auto; display: block; border-radius: 3px; }
.classes { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px .9rem; align-items: center; }
.classes span { font-size: .9rem; } .classes .pictures { margin: 0; max-height: 3.6rem; overflow: hidden; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); gap: .9rem .7rem; margin: 1rem 0; }
.tiles.pairs { grid-template-columns: repeat(auto-fill, minmax(8.4rem, 1fr)); }
.tiles figure { margin: 0; } .tiles .pictures { margin: 0; }
.tiles b { display: block; color: var(--fg); font-weight: 600; font-variant-numeric: tabular-nums; margin-top: .25rem; }
.tiles small { display: block; color: var(--soft); line-height: 1.35; font-size: .8rem; overflow-wrap: anywhere; }
.ends { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: .6rem 1.4rem; }
.ends b { font-weight: 600; font-size: .9rem; } .ends small { display: block; color: var(--soft); margin-top: .3rem; }
.ends .pictures { display: grid; grid-template-columns: repeat(6, minmax(0, 4.2rem)); margin: .15rem 0; } .ends img { width: 100%; }
@media (max-width: 40rem) { .classes { grid-template-columns: minmax(0, 1fr); } .classes span { margin-top: .4rem; }
  .classes .pictures { max-height: none; } }
@media print { .tiles figure, .pictures, .ends { break-inside: avoid; } }
)";
}

int64_t affordable(const at::Tensor& images, int64_t wanted) {
  constexpr int64_t kBytes = 3 * 32 * 32;
  const int64_t bytes =
      images.size(1) * std::min(images.size(2), kLargest) * std::min(images.size(3), kLargest);
  return bytes <= kBytes ? wanted : std::max<int64_t>(2, wanted * kBytes / bytes);
}

std::string picture(const at::Tensor& image, const std::string& text) {
  if (!io::has_image_files()) return "<small>(this build draws no images)</small>";
  const at::Tensor small = thumbnail(image);
  return "<img alt=\"" + pages::escape(text) + "\" width=\"" + std::to_string(shown_width(image.size(2))) +
         "\" src=\"" + pages::png_data_uri(io::encode_png(small)) + "\">";
}

std::string pictures(const at::Tensor& images, const std::string& text) {
  std::string html;
  for (int64_t i = 0; i < images.size(0); ++i) html += picture(images[i], text);
  return "<div class=\"pictures\">" + html + "</div>\n";
}

std::string tiles(const std::vector<Tile>& tiles) {
  std::string html;
  bool pairs = false;
  for (const Tile& tile : tiles) {
    std::string shown;
    for (const at::Tensor& image : tile.images)
      shown += picture(image, tile.lines.empty() ? tile.value : tile.lines.front());
    pairs = pairs || tile.images.size() > 1;
    html += "<figure>" + (tile.images.size() > 1 ? "<div class=\"pictures\">" + shown + "</div>" : shown);
    if (!tile.value.empty()) html += "<b>" + pages::escape(tile.value) + "</b>";
    for (const std::string& line : tile.lines) html += "<small>" + pages::escape(line) + "</small>";
    html += "</figure>\n";
  }
  return "<div class=\"tiles" + std::string(pairs ? " pairs" : "") + "\">" + html + "</div>\n";
}

}  // namespace onestep
