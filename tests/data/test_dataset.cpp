// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "data/channel_statistics.h"
#include "data/dataset.h"
#include "idx_file.h"
#include "io/file_error.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

/// The files of a Fashion-MNIST test split with these labels; image i is filled with the byte i.
void write_test_split(const TemporaryFolder& folder, const std::string& labels, uint32_t images,
                      uint32_t side = 28) {
  std::string pixels;
  for (uint32_t i = 0; i < images; ++i) pixels += std::string(size_t{side} * side, static_cast<char>(i));
  write_gz(folder / "t10k-images-idx3-ubyte.gz", idx_bytes({images, side, side}, pixels));
  write_gz(folder / "t10k-labels-idx1-ubyte.gz", idx_bytes({static_cast<uint32_t>(labels.size())}, labels));
}

FashionMnistConfig test_split(const std::filesystem::path& root) {
  return {root, "test", std::nullopt};
}

struct Holder {
  DatasetConfig data;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("data", c.data, "the images");
  }
};

Holder read_yaml(const std::string& text) {
  return config::read<Holder>(config::parse(text, "test.yaml"));
}

}  // namespace

TEST_CASE("data set configuration: kind, defaults, ranges", "[dataset]") {
  CHECK(std::get<FashionMnistConfig>(read_yaml("data: {kind: fashion_mnist, limit: 7}").data).limit == 7);
  CHECK(std::get<FashionMnistConfig>(read_yaml("data: {kind: fashion_mnist}").data).split == "train");
  CHECK(std::get<IdxConfig>(read_yaml("data: {kind: idx, images: a, labels: b}").data).labels == "b");
  CHECK_THROWS_AS(read_yaml("data: {kind: fashion_mnist, split: validation}"), config::ConfigError);
  CHECK_THROWS_AS(read_yaml("data: {kind: fashion_mnist, limit: 0}"), config::ConfigError);
  CHECK_THROWS_AS(read_yaml("data: {kind: idx, classes: 257}"), config::ConfigError);
  CHECK(std::get<ImageFilesConfig>(read_yaml("data: {kind: images, path: a.zip}").data).labels);
  CHECK_THROWS_AS(read_yaml("data: {kind: images}"), config::ConfigError);
}

TEST_CASE("fashion_mnist: images, labels and names of a small copy", "[dataset]") {
  const TemporaryFolder folder;
  write_test_split(folder, {9, 0, 5}, 3);
  const Dataset data = load_dataset(test_split(folder.path()));
  CHECK(data.name == "fashion_mnist/test");
  CHECK(data.images.sizes() == at::IntArrayRef({3, 1, 28, 28}));
  CHECK(data.images.scalar_type() == at::kByte);
  CHECK(data.images[2].eq(2).all().item<bool>());
  CHECK(data.labels.scalar_type() == at::kLong);
  CHECK(data.labels[0].item<int64_t>() == 9);
  CHECK(data.class_names.size() == 10);
  CHECK(data.class_names[9] == "Ankle boot");

  FashionMnistConfig two = test_split(folder.path());
  two.limit = 2;
  CHECK(load_dataset(two).images.size(0) == 2);
  CHECK(load_dataset(two).labels.size(0) == 2);
  two.limit = 4;
  CHECK(load_dataset(two).images.size(0) == 3);
}

TEST_CASE("fashion_mnist: what is wrong is named", "[dataset]") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(load_dataset(test_split(folder.path())), io::FileError);
  CHECK_THROWS_WITH(load_dataset(test_split(folder.path())),
                    Contains("t10k-images-idx3-ubyte.gz") && Contains("package dataset-fashion-mnist"));
  write_test_split(folder, {0, 10}, 2);
  CHECK_THROWS_WITH(load_dataset(test_split(folder.path())),
                    Contains("t10k-labels") && Contains("label 10") && Contains("10 classes"));
  write_test_split(folder, {0, 1, 2}, 2);
  CHECK_THROWS_WITH(load_dataset(test_split(folder.path())), Contains("3 labels for the 2 images"));
  write_test_split(folder, {0, 1}, 2, 27);
  CHECK_THROWS_WITH(load_dataset(test_split(folder.path())), Contains("t10k-images") && Contains("28 x 28"));
}

TEST_CASE("idx data set: without a file of labels there are no classes", "[dataset]") {
  const TemporaryFolder folder;
  write_plain(folder / "images", idx_bytes({3, 2, 2}, std::string(12, 'x')));
  IdxConfig config{.images = (folder / "images").string()};
  CHECK(load_dataset(config).class_names.empty());
  CHECK(load_dataset(config).labels.sizes() == at::IntArrayRef({3}));
  config.limit = 2;
  CHECK(load_dataset(config).images.size(0) == 2);
  CHECK(load_dataset(config).labels.size(0) == 2);
}

TEST_CASE("idx data set: any size and number of classes", "[dataset]") {
  const TemporaryFolder folder;
  write_plain(folder / "images", idx_bytes({2, 3, 5}, std::string(30, 'x')));
  write_plain(folder / "labels", idx_bytes({2}, {0, 1}));
  IdxConfig config{folder / "images", folder / "labels", 2, std::nullopt};
  const Dataset data = load_dataset(config);
  CHECK(data.images.sizes() == at::IntArrayRef({2, 1, 3, 5}));
  CHECK(data.class_names == std::vector<std::string>{"0", "1"});
  config.classes = 1;
  CHECK_THROWS_WITH(load_dataset(config), Contains("label 1") && Contains("1 classes"));
}

TEST_CASE("fashion_mnist: the installed files are the published set", "[dataset]") {
  const FashionMnistConfig train;
  if (!std::filesystem::exists(train.root)) {
    WARN("skipped: " << train.root << " is not installed");
    return;
  }
  const Dataset data = load_dataset(train);
  CHECK(data.images.sizes() == at::IntArrayRef({60000, 1, 28, 28}));
  CHECK(data.images.to(at::kDouble).mean().item<double>() / 255 == Approx(0.2860).margin(5e-5));
  CHECK(data.labels.bincount().eq(6000).all().item<bool>());
  const Dataset test = load_dataset(FashionMnistConfig{train.root, "test", std::nullopt});
  CHECK(test.images.sizes() == at::IntArrayRef({10000, 1, 28, 28}));
  CHECK(test.labels.bincount().eq(1000).all().item<bool>());
}

TEST_CASE("channel statistics are those of all pixels as networks see them") {
  at::Tensor images = at::zeros({3000, 2, 2, 2}, at::kByte);
  images.select(1, 0).slice(0, 0, 1500).fill_(255);  // −1 and 1 in equal parts
  images.select(1, 1).fill_(51);                     // −0.6 throughout
  const ChannelStatistics statistics = channel_statistics(images);
  CHECK(statistics.mean[0] == Approx(0).margin(1e-12));
  CHECK(statistics.std[0] == Approx(1).epsilon(1e-12));
  CHECK(statistics.mean[1] == -0.6);  // sums of integers are exact
  CHECK(statistics.std[1] == std::numeric_limits<double>::min());
  CHECK_THROWS_AS(channel_statistics(images[0]), c10::Error);
}

TEST_CASE("classes that no image has are counted and named", "[dataset]") {
  Dataset data{.name = "",
               .images = at::zeros({4, 1, 2, 2}, at::kByte),
               .labels = at::tensor({1, 3, 3, 1}, at::kLong),
               .class_names = {"0", "1", "2", "3"},
               .density = {}};
  CHECK(class_counts(data) == std::vector<int64_t>{0, 2, 0, 2});
  CHECK(statistics_of(data).class_counts == class_counts(data));
  CHECK(empty_classes(class_counts(data)) == "classes 0, 2 have no image");
  CHECK(empty_classes({0, 5, 1}) == "class 0 has no image; labels seem to start at 1");
  CHECK(empty_classes({5, 0, 1}) == "class 1 has no image");
  CHECK(empty_classes({5, 1}).empty());
  CHECK(empty_classes(std::vector<int64_t>(10)) == "classes 0, 1, 2, 3, 4, 5, 6, 7 and 2 more have no image");
  data.class_names.clear();
  CHECK(class_counts(data).empty());
}
