// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/empty.h>

#include "networks/inception.h"

namespace onestep {
namespace {

/// same: stride 1, padded to the input's size; valid: stride 1, not padded; halving: stride 2, not padded.
enum class Step { same, valid, halving };
using Pool = InceptionPool;

struct ConvRow {
  std::string name, google_name;  ///< below the block's; "" where the block is this convolution
  int64_t out, height = 1, width = 1;
  Step step = Step::same;
};

struct BranchRow {
  std::vector<ConvRow> convs;
  Pool pool = Pool::none;
  bool fork = false;
};

struct BlockRow {
  std::string name, google_name;
  std::vector<BranchRow> branches;
};

BlockRow conv(std::string name, std::string google_name, int64_t out, int64_t size, Step step) {
  return {std::move(name), std::move(google_name), {BranchRow{{{"", "", out, size, size, step}}}}};
}

BlockRow max_pool(std::string name) {
  return {std::move(name), "", {BranchRow{{}, Pool::max_halving}}};
}

std::vector<BranchRow> block_a(int64_t pool_width) {
  return {
      BranchRow{{{"branch1x1", "conv", 64}}},
      BranchRow{{{"branch5x5_1", "tower.conv", 48}, {"branch5x5_2", "tower.conv_1", 64, 5, 5}}},
      BranchRow{{{"branch3x3dbl_1", "tower_1.conv", 64},
                 {"branch3x3dbl_2", "tower_1.conv_1", 96, 3, 3},
                 {"branch3x3dbl_3", "tower_1.conv_2", 96, 3, 3}}},
      BranchRow{{{"branch_pool", "tower_2.conv", pool_width}}, Pool::average},
  };
}

std::vector<BranchRow> block_b() {
  return {
      BranchRow{{{"branch3x3", "conv", 384, 3, 3, Step::halving}}},
      BranchRow{{{"branch3x3dbl_1", "tower.conv", 64},
                 {"branch3x3dbl_2", "tower.conv_1", 96, 3, 3},
                 {"branch3x3dbl_3", "tower.conv_2", 96, 3, 3, Step::halving}}},
      BranchRow{{}, Pool::max_halving},
  };
}

std::vector<BranchRow> block_c(int64_t c) {
  return {
      BranchRow{{{"branch1x1", "conv", 192}}},
      BranchRow{{{"branch7x7_1", "tower.conv", c},
                 {"branch7x7_2", "tower.conv_1", c, 1, 7},
                 {"branch7x7_3", "tower.conv_2", 192, 7, 1}}},
      BranchRow{{{"branch7x7dbl_1", "tower_1.conv", c},
                 {"branch7x7dbl_2", "tower_1.conv_1", c, 7, 1},
                 {"branch7x7dbl_3", "tower_1.conv_2", c, 1, 7},
                 {"branch7x7dbl_4", "tower_1.conv_3", c, 7, 1},
                 {"branch7x7dbl_5", "tower_1.conv_4", 192, 1, 7}}},
      BranchRow{{{"branch_pool", "tower_2.conv", 192}}, Pool::average},
  };
}

std::vector<BranchRow> block_d() {
  return {
      BranchRow{
          {{"branch3x3_1", "tower.conv", 192}, {"branch3x3_2", "tower.conv_1", 320, 3, 3, Step::halving}}},
      BranchRow{{{"branch7x7x3_1", "tower_1.conv", 192},
                 {"branch7x7x3_2", "tower_1.conv_1", 192, 1, 7},
                 {"branch7x7x3_3", "tower_1.conv_2", 192, 7, 1},
                 {"branch7x7x3_4", "tower_1.conv_3", 192, 3, 3, Step::halving}}},
      BranchRow{{}, Pool::max_halving},
  };
}

std::vector<BranchRow> block_e(Pool pool) {
  return {
      BranchRow{{{"branch1x1", "conv", 320}}},
      BranchRow{{{"branch3x3_1", "tower_conv", 384},
                 {"branch3x3_2a", "tower_mixed_conv", 384, 1, 3},
                 {"branch3x3_2b", "tower_mixed_conv_1", 384, 3, 1}},
                Pool::none,
                true},
      BranchRow{{{"branch3x3dbl_1", "tower_1_conv", 448},
                 {"branch3x3dbl_2", "tower_1_conv_1", 384, 3, 3},
                 {"branch3x3dbl_3a", "tower_1_mixed_conv", 384, 1, 3},
                 {"branch3x3dbl_3b", "tower_1_mixed_conv_1", 384, 3, 1}},
                Pool::none,
                true},
      BranchRow{{{"branch_pool", "tower_2_conv", 192}}, pool},
  };
}

/// Channels × size of the outputs at the right. Pools of 3 × 3; an average counts no padding. The last block
/// takes a maximum where an average was meant: an error of the release that every FID has been measured with.
std::vector<BlockRow> architecture() {
  return {
      conv("Conv2d_1a_3x3", "conv", 32, 3, Step::halving),   // 32 × 149²
      conv("Conv2d_2a_3x3", "conv_1", 32, 3, Step::valid),   // 32 × 147²
      conv("Conv2d_2b_3x3", "conv_2", 64, 3, Step::same),    // 64 × 147²
      max_pool("MaxPool_1"),                                 // 64 × 73²
      conv("Conv2d_3b_1x1", "conv_3", 80, 1, Step::same),    // 80 × 73²
      conv("Conv2d_4a_3x3", "conv_4", 192, 3, Step::valid),  // 192 × 71²
      max_pool("MaxPool_2"),                                 // 192 × 35²
      {"Mixed_5b", "mixed", block_a(32)},                    // 256 × 35²
      {"Mixed_5c", "mixed_1", block_a(64)},                  // 288 × 35²
      {"Mixed_5d", "mixed_2", block_a(64)},                  // 288 × 35²
      {"Mixed_6a", "mixed_3", block_b()},                    // 768 × 17²
      {"Mixed_6b", "mixed_4", block_c(128)},                 // 768 × 17²
      {"Mixed_6c", "mixed_5", block_c(160)},                 // 768 × 17²
      {"Mixed_6d", "mixed_6", block_c(160)},                 // 768 × 17²
      {"Mixed_6e", "mixed_7", block_c(192)},                 // 768 × 17²
      {"Mixed_7a", "mixed_8", block_d()},                    // 1280 × 8²
      {"Mixed_7b", "mixed_9", block_e(Pool::average)},       // 2048 × 8²
      {"Mixed_7c", "mixed_10", block_e(Pool::max)},          // 2048 × 8²
  };
}

std::string joined(const std::string& block, const std::string& name) {
  return name.empty() ? block : block + "." + name;
}

/// What a layer hands on: channels, and height and width.
struct Shape {
  int64_t channels, side;
};

int64_t halved(int64_t side) {
  return (side - 3) / 2 + 1;
}

Shape after(const ConvRow& row, Shape in) {
  if (row.step == Step::valid) return {row.out, in.side - row.height + 1};
  return {row.out, row.step == Step::halving ? halved(in.side) : in.side};
}

InceptionConv make_conv(const BlockRow& block, const ConvRow& row, Shape in, at::Device device) {
  const bool same = row.step == Step::same;
  const auto channel = [&] { return at::empty({row.out}, device); };
  return {.name = joined(block.name, row.name),
          .google_name = joined(block.google_name, row.google_name),
          .weight = at::empty({row.out, in.channels, row.height, row.width}, device),
          .norm = InceptionConv::Norm{channel(), channel(), channel(), channel()},
          .side = in.side,
          .stride = row.step == Step::halving ? 2 : 1,
          .padding = {same ? row.height / 2 : 0, same ? row.width / 2 : 0}};
}

/// Adds the branch; returns the shape of its output.
Shape add_branch(InceptionBlock& block, const BlockRow& block_row, const BranchRow& row, Shape shape,
                 at::Device device) {
  InceptionBranch branch{.pool = row.pool, .fork = row.fork};
  if (row.pool == Pool::max_halving) shape.side = halved(shape.side);
  for (size_t i = 0; i < row.convs.size(); ++i) {
    branch.convs.push_back(make_conv(block_row, row.convs[i], shape, device));
    const bool left_of_fork = row.fork && i + 2 == row.convs.size();
    if (!left_of_fork) shape = after(row.convs[i], shape);
  }
  block.branches.push_back(std::move(branch));
  return {row.fork ? 2 * shape.channels : shape.channels, shape.side};
}

}  // namespace

Inception make_inception(at::Device device) {
  Inception m;
  Shape shape{3, 299};
  for (const BlockRow& row : architecture()) {
    InceptionBlock block{.name = row.name};
    Shape out{0, 0};
    for (const BranchRow& branch : row.branches) {
      const Shape added = add_branch(block, row, branch, shape, device);
      out = {out.channels + added.channels, added.side};
    }
    shape = out;
    m.blocks.push_back(std::move(block));
  }
  m.fc = {at::empty({1008, shape.channels}, device), at::empty({1008}, device)};
  return m;
}

}  // namespace onestep
