// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "io/image.h"
#include "io/npz.h"
#include "io/png_file.h"
#include "io/safetensors.h"
#include "io/zip_writer.h"
#include "temporary_folder.h"

using namespace onestep;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

const fs::path kGolden = ONESTEP_GOLDEN "/data";

ImageFilesConfig config_of(const fs::path& path) {
  return {.path = path, .labels = true, .limit = {}};
}

Dataset load(const fs::path& path) {
  return load_dataset(config_of(path));
}

std::string problem(const fs::path& path) {
  return file_error([&] { load(path); });
}

at::Tensor image_of(int value, int64_t channels = 3, int64_t height = 4, int64_t width = 5) {
  return at::full({channels, height, width}, value, at::kByte);
}

std::string png(int value, int64_t channels = 3, int64_t height = 4, int64_t width = 5) {
  return io::encode_png(image_of(value, channels, height, width));
}

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  write_bytes(path, bytes);
}

/// The grey value of each image, which tells the order.
std::vector<int64_t> values(const Dataset& data) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < data.images.size(0); ++i) result.push_back(data.images[i][0][0][0].item<int64_t>());
  return result;
}

}  // namespace

TEST_CASE("images: archives and folders of EDM's dataset tool, exactly", "[images]") {
  for (const char* name : {"rgb16_labelled.zip", "gray16_labelled.zip", "rgb16_folder"}) {
    INFO(name);
    const Dataset data = load(kGolden / name);
    const auto expected =
        io::read_safetensors((kGolden / fs::path(name).stem()).string() + ".expected.safetensors");
    CHECK(at::equal(data.images, expected.at("images")));
    CHECK(at::equal(data.labels, expected.at("labels")));
    CHECK(static_cast<int64_t>(data.class_names.size()) == expected.at("labels_onehot").size(1));
    CHECK(data.class_names[1] == "1");
    CHECK(data.name == fs::path(name).stem());
    CHECK(data.images.is_contiguous());
    // One-hot rows as a network sees them.
    const Batch batch = read_batch(data, 0, 0, data.images.size(0), false);
    for (int64_t i = 0; i < batch.condition.classes.size(0); ++i)
      REQUIRE(
          at::equal(batch.condition.classes[i],
                    expected.at("labels_onehot")[shuffled_index(0, 0, i, batch.condition.classes.size(0))]));
  }
}

TEST_CASE("images: without classes, as asked or as it is, batches have labels of no width", "[images]") {
  ImageFilesConfig config = config_of(kGolden / "rgb8_unlabelled.zip");
  CHECK(load_dataset(config).class_names.size() == 3);  // the file holds classes
  config.labels = false;
  const Dataset data = load_dataset(config);
  const auto expected = io::read_safetensors(kGolden / "rgb8_unlabelled.expected.safetensors");
  CHECK(at::equal(data.images, expected.at("images")));
  CHECK(data.class_names.empty());
  CHECK(at::equal(data.labels, at::zeros({20}, at::kLong)));
  const Batch batch = read_batch(data, 0, 0, 8, true);
  CHECK(batch.images.sizes() == at::IntArrayRef({8, 3, 8, 8}));
  CHECK(batch.condition.classes.sizes() == at::IntArrayRef({8, 0}));

  const TemporaryFolder folder;
  write(folder / "a.png", png(1));
  CHECK(load(folder.path()).class_names.empty());
  write(folder / "dataset.json", R"({"labels": null})");
  CHECK(load(folder.path()).class_names.empty());
}

TEST_CASE("images: files in the order of their names' bytes, at any depth", "[images]") {
  const TemporaryFolder folder;
  // '-' < '.' < '/' < 'B' < 'a' < 'é': an order that walks folders one by one, or ignores case, differs.
  const std::vector<std::string> names{"a-b.png", "a.PNG", "a/B.png", "a/a/x.png",
                                       "a/b.png", "b.png", "é.png"};
  std::vector<io::ZipEntry> entries;
  for (size_t i : {3, 0, 6, 2, 5, 1, 4}) {
    write(folder / names[i], png(static_cast<int>(i)));
    entries.push_back({names[i], png(static_cast<int>(i))});
  }
  // None of these is an image.
  for (const char* other : {"notes.txt", ".hidden.png", ".cache/c.png", "a/.thumb/d.png", "png"}) {
    write(folder / other, "no image");
    entries.push_back({other, "no image"});
  }
  const std::vector<int64_t> order{0, 1, 2, 3, 4, 5, 6};
  CHECK(values(load(folder.path())) == order);
  CHECK(values(load(folder.path().string() + "/")) == order);
  const TemporaryFolder other;
  io::write_zip(other / "a.zip", entries);
  CHECK(values(load(other / "a.zip")) == order);
}

TEST_CASE("images: JPEG files, grey and RGB", "[images]") {
  const std::string golden = ONESTEP_GOLDEN "/images/";
  for (const char* name : {"rgb.jpg", "grey.jpg"}) {
    const TemporaryFolder folder;
    write(folder / "a.JPG", read_bytes(golden + name));
    write(folder / "b.jpeg", read_bytes(golden + name));
    const at::Tensor image = io::read_image(golden + name);
    CHECK(at::equal(load(folder.path()).images, at::stack({image, image})));
  }
}

TEST_CASE("images: limit takes the first ones, and leaves the number of classes", "[images]") {
  ImageFilesConfig config = config_of(kGolden / "rgb16_labelled.zip");
  const Dataset all = load_dataset(config);
  for (const int64_t limit : {1, 7, 40, 100}) {
    config.limit = limit;
    const Dataset some = load_dataset(config);
    const int64_t n = std::min<int64_t>(limit, 40);
    CHECK(at::equal(some.images, all.images.narrow(0, 0, n)));
    CHECK(at::equal(some.labels, all.labels.narrow(0, 0, n)));
    CHECK(some.class_names.size() == 5);
  }
}

TEST_CASE("images: any number of threads gives the same images, and names the same culprit", "[images]") {
  const TemporaryFolder folder;
  for (int i = 0; i < 60; ++i) write(folder / ("f" + std::to_string(100 + i) + ".png"), png(i));
  const Dataset one = load(folder.path());
  // 140 comes first in the third of three shares, 119 last in the first one.
  for (const int bad : {119, 140, 158}) write(folder / ("f" + std::to_string(bad) + ".png"), "torn");
  const int threads = at::get_num_threads();
  for (const int count : {1, 3, 8}) {
    at::set_num_threads(count);
    CHECK_THAT(problem(folder.path()), Contains("f119.png: is not a PNG or JPEG file"));
  }
  for (const int bad : {119, 140, 158}) write(folder / ("f" + std::to_string(bad) + ".png"), png(bad - 100));
  for (const int count : {1, 3, 8}) {
    at::set_num_threads(count);
    CHECK(at::equal(load(folder.path()).images, one.images));
  }
  at::set_num_threads(threads);
}

TEST_CASE("images: each file that is not like the first is named, with what it is", "[images]") {
  struct Case {
    std::string bytes, expected;
    bool convertible = true;
  };
  const std::string images = ONESTEP_GOLDEN "/images/";
  const std::string turned("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", 28);
  std::string photo = read_bytes(images + "rgb.jpg");
  photo.insert(2, "\xff\xe1" + std::string("\0\x1e", 2) + turned);  // behind the start of the image: APP1
  for (const auto& [bytes, expected, convertible] : std::vector<Case>{
           {png(1).substr(0, 60), "is a truncated PNG", false},
           {"", "is empty", false},
           {"no image", "is not a PNG or JPEG file", false},
           {"GIF89a", "is not a PNG or JPEG file; it is a GIF image; convert"},
           {png_file(5, 4, 16, 2, std::string(120, 'x')), "16 bits per channel"},
           {png_file(5, 4, 8, 6, std::string(80, 'x')), "PNG with alpha"},
           {png_file(5, 4, 8, 2, std::string(60, 'x'), png_chunk("tRNS", "abcdef")), "a transparent colour"},
           {png_file(5, 4, 8, 2, std::string(60, 'x'), png_chunk("eXIf", turned.substr(6))),
            "is stored turned or mirrored (EXIF orientation 6)"},
           {photo, "is stored turned or mirrored (EXIF orientation 6)"},
           {read_bytes(images + "palette.png"), "palette PNG"},
           {read_bytes(images + "cmyk.jpg"), "CMYK JPEG"},
           {png(1, 1), "is 5 × 4 grey, but the first image, 'a/0.png', is 5 × 4 RGB"},
           {png(1, 3, 5, 4), "is 4 × 5 RGB, but the first image, 'a/0.png', is 5 × 4 RGB"},
           {png(1, 3, 5, 4), "onestep-data IN OUT.zip --size N --crop center"},
       }) {
    INFO(expected);
    const TemporaryFolder folder;
    write(folder / "a/0.png", png(0));
    write(folder / "a/1.png", png(1));
    write(folder / "b/2.png", bytes);
    CHECK_THAT(problem(folder.path()), Contains((folder / "b/2.png: ").string()) && Contains(expected));
    CHECK((problem(folder.path()).find("; convert it first: onestep-data IN OUT.zip") != std::string::npos) ==
          convertible);
    io::write_zip(folder / "x.zip", {{"a/0.png", png(0)}, {"b/2.png", bytes}});
    CHECK_THAT(problem(folder / "x.zip"),
               Contains((folder / "x.zip").string() + "/b/2.png: ") && Contains(expected));
  }
}

TEST_CASE("images: nothing to read, and what is no set of images", "[images]") {
  const TemporaryFolder folder;
  write(folder / "notes.txt", "hello");
  fs::create_directory(folder / "sub.png");
  CHECK_THAT(problem(folder.path()), Contains(": holds no images (.png, .jpg or .jpeg)"));
  io::write_zip(folder / "x.zip", {{"dataset.json", "{}"}});
  CHECK_THAT(problem(folder / "x.zip"), Contains("x.zip: holds no images"));
  CHECK_THAT(problem(folder / "none"), Contains("none: No such file"));
  CHECK_THAT(problem(folder / "none.zip"), Contains("none.zip: No such file"));
  CHECK_THAT(problem(folder / "notes.txt"), Contains("notes.txt: is no folder, .zip or .npz of images"));
  // What other sets of images come in: the command is named.
  for (const auto& [bytes, is] : std::vector<std::pair<std::string, std::string>>{
           {std::string(257, 'x') + "ustar", "; it is a tar archive"},
           {"\x1f\x8b\x08", "; it is gzip-compressed"},
           {std::string("\x80\x02}q\x01(U\x06labels", 14), "; it is a pickle (an old PyTorch or NumPy file)"},
           {std::string("\0\0\x08\x03", 4), "; it is an idx file (of the MNIST family)"},
           {std::string(3073, '\x07'), ""},
       }) {
    write(folder / "data_batch_1.bin", bytes);
    CHECK_THAT(problem(folder / "data_batch_1.bin"),
               Catch::EndsWith("data_batch_1.bin: is no folder, .zip or .npz of images" + is +
                               "; convert it first: onestep-data IN OUT.zip"));
  }
  CHECK_THAT(problem(folder.path()), Contains("1 .bin") && Contains("onestep-data IN OUT.zip"));
  write(folder / "torn.zip", read_bytes(kGolden / "rgb16_labelled.zip").substr(0, 20'000));
  CHECK_THAT(problem(folder / "torn.zip"), Contains("torn.zip: is not a zip archive, or is truncated"));
}

TEST_CASE("images: links are followed to files, never into folders, and loops end", "[images]") {
  const TemporaryFolder folder, elsewhere;
  write(folder / "a/0.png", png(0));
  write(elsewhere / "1.png", png(1));
  fs::create_directory_symlink(folder.path(), folder / "a/loop");
  fs::create_directory_symlink(elsewhere.path(), folder / "outside");
  fs::create_symlink(elsewhere / "1.png", folder / "b.png");
  CHECK(values(load(folder.path())) == std::vector<int64_t>{0, 1});
  fs::create_symlink(folder / "c.png", folder / "c.png");
  CHECK_THAT(problem(folder.path()), Contains("c.png: Too many levels of symbolic links"));
  fs::remove(folder / "c.png");
  fs::create_symlink(folder / "nowhere", folder / "d.png");
  CHECK_THAT(problem(folder.path()), Contains("d.png: No such file"));
}

TEST_CASE("images: hostile archives", "[images]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "x.zip";
  // Names are names: nothing is written, and nothing outside the archive is read.
  io::write_zip(path, {{"../../1.png", png(1)}, {"/etc/2.png", png(2)}});
  CHECK(values(load(path)) == std::vector<int64_t>{1, 2});
  CHECK(folder.entries() == 1);
  io::write_zip(path, {{"/etc/2.png", "torn"}});
  CHECK_THAT(problem(path), Contains("x.zip/etc/2.png: is not a PNG"));
  // More pixels than there may be.
  ImageFilesConfig config = config_of(path);
  io::write_zip(path, {{"1.png", png(1)}, {"2.png", png(2)}, {"3.png", png(3)}});
  CHECK_NOTHROW(read_image_files(config, 180));
  CHECK_THAT(file_error([&] { read_image_files(config, 179); }),
             Contains("x.zip: holds 3 images of 60 bytes each; there is room for 179 bytes"));
  config.limit = 2;
  CHECK_NOTHROW(read_image_files(config, 120));
  // A damaged member.
  std::string bytes = read_bytes(path);
  bytes[bytes.rfind("IDAT") + 6] ^= 1;
  write_bytes(path, bytes);
  CHECK_THAT(problem(path), Contains("x.zip/3.png: cannot be unpacked: CRC error"));
  // One that says it is longer than memory.
  bytes = read_bytes(path);
  const size_t entry = bytes.find("PK\x01\x02");
  bytes.replace(entry + 24, 4, std::string("\0\0\0\xf0", 4));
  write_bytes(path, bytes);
  CHECK_THAT(problem(path), Contains("x.zip/1.png: declares a size that its data cannot have"));
}

TEST_CASE("images: an archive cut at any length, or with any byte changed, is refused or read", "[images]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "x.zip";
  io::write_zip(path, {{"1.png", png(1)}, {"2.png", png(2)}, {"dataset.json", R"({"labels": null})"}});
  const std::string whole = read_bytes(path);
  for (size_t length = 1; length < whole.size(); length += 3) {
    write_bytes(path, whole.substr(0, length));
    REQUIRE(problem(path) != "");
  }
  for (size_t place = 0; place < whole.size(); ++place) {
    std::string bytes = whole;
    bytes[place] = static_cast<char>(bytes[place] ^ 0x15);
    write_bytes(path, bytes);
    problem(path);
  }
}

TEST_CASE("dataset.json: what is wrong is named", "[images]") {
  const TemporaryFolder folder;
  write(folder / "a/0.png", png(0));
  write(folder / "a/1.png", png(1));
  struct Case {
    std::string json, expected;
  };
  for (const auto& [json, expected] : std::vector<Case>{
           {R"({"labels": [["a/0.png", 3]], )", "is no JSON: damaged at byte 30"},
           {"", "is no JSON"},
           {std::string(100'000, '['), "is no JSON"},
           {"[]", R"(must be {"labels": [[name, class], …]})"},
           {R"({"label": null})", R"(must be {"labels": [[name, class], …]})"},
           {R"({"labels": {"a/0.png": 3}})", R"(must be {"labels": [[name, class], …]})"},
           {R"({"labels": [["a/0.png"]]})", "no pair of a file's name and an integer"},
           {R"({"labels": [["a/0.png", 1.5]]})", "no pair of a file's name and an integer"},
           {R"({"labels": [["a/0.png", [0, 1]]]})", "no pair of a file's name and an integer"},
           {R"({"labels": [["a/0.png", -1]]})", "gives 'a/0.png' the label -1; labels are 0 to 999999"},
           {R"({"labels": [["a/0.png", 1000000]]})", "gives 'a/0.png' the label 1000000"},
           {R"({"labels": [["a/0.png", 18446744073709551615]]})", "the label 18446744073709551615"},
           {R"({"labels": [["a/0.png", 0], ["a/2.png", 0]]})",
            "labels 'a/2.png', and there is no such image"},
           {R"({"labels": [["a/0.png", 0], ["dataset.json", 0]]})", "labels 'dataset.json', and"},
           {R"({"labels": null, "x": 1e999})", "a number that is too large"},
           {R"({"labels": [["a/0.png", -1e400]]})", "a number that is too large"},
           {R"({"labels": [["a/0.png", 0], ["a/0.png", 0]]})", "labels 'a/0.png' twice"},
           {R"({"labels": [["a/0.png", 0]]})", "has no label for 'a/1.png'"},
       }) {
    INFO(json.substr(0, 80));
    write(folder / "dataset.json", json);
    CHECK_THAT(problem(folder.path()), Contains("dataset.json: ") && Contains(expected));
  }
  write(folder / "dataset.json", R"({"labels": [["a/1.png", 0], ["a/0.png", 4]], "more": 1})");
  const Dataset data = load(folder.path());
  CHECK(at::equal(data.labels, at::tensor({4, 0}, at::kLong)));
  CHECK(data.class_names == std::vector<std::string>{"0", "1", "2", "3", "4"});

  // onestep-data adds names.
  write(folder / "dataset.json",
        R"({"labels": [["a/1.png", 0], ["a/0.png", 1]], "class_names": ["Ähre", "b"]})");
  CHECK(load(folder.path()).class_names == std::vector<std::string>{"Ähre", "b"});
  for (const char* names : {R"(["a"])", R"(["a", "b", "c"])", R"(["a", 1])", R"("ab")"}) {
    write(folder / "dataset.json",
          std::string(R"({"labels": [["a/1.png", 0], ["a/0.png", 1]], "class_names": )") + names + "}");
    CHECK_THAT(problem(folder.path()),
               Contains("dataset.json: 'class_names' must be 2 strings, one a class"));
  }
}

TEST_CASE("images: folders at the top are classes where no dataset.json says otherwise", "[images]") {
  struct Case {
    std::vector<std::string> names;
    std::vector<int64_t> labels;
    std::vector<std::string> classes;
  };
  for (const auto& [names, labels, classes] : std::vector<Case>{
           // '-' < '/' < 'B' < 'a': the order of images is not that of classes, "a-b" < "a/…" but "a" <
           // "a-b".
           {{"B/x.png", "a-b/0.png", "a/9/0.png", "a/x.png"}, {0, 2, 1, 1}, {"B", "a", "a-b"}},
           {{"set/in/cat/0.png", "set/in/dog/0.png"},
            {0, 1},
            {"cat", "dog"}},                                                // what holds all does not count
           {{"cat/0.png", "category/0.png"}, {0, 1}, {"cat", "category"}},  // a name that begins with another
           {{"00000/0.png", "00001/0.png", "x/0.png"}, {0, 1, 2}, {"00000", "00001", "x"}},
           {{"00000/0.png", "00001/0.png"}, {0, 0}, {}},  // EDM's numbering
           {{"0000/0.png", "0001/0.png"}, {0, 1}, {"0000", "0001"}},
           {{"one/0.png", "one/1.png"}, {0, 0}, {}},
           {{"0.png", "1.png"}, {0, 0}, {}},
           {{"0.png", "a/1.png", "b/2.png"}, {0, 0, 0}, {}},
       }) {
    const TemporaryFolder folder;
    std::vector<io::ZipEntry> entries;
    for (const std::string& name : names) {
      write(folder / "set" / name, png(1));
      entries.push_back({name, png(1)});
    }
    io::write_zip(folder / "a.zip", entries);
    for (const fs::path& path : {folder / "set", folder / "a.zip"}) {
      INFO(path << " " << names[0]);
      const Dataset data = load(path);
      CHECK(at::equal(data.labels, at::tensor(labels, at::kLong)));
      CHECK(data.class_names == classes);
      ImageFilesConfig config = config_of(path);
      config.limit = 1;
      CHECK(load_dataset(config).class_names == classes);
      config.labels = false;
      CHECK(load_dataset(config).class_names.empty());
    }
  }
  const TemporaryFolder folder;
  for (const char* name : {"a/0.png", "b/1.png", "c.png"}) write(folder / name, png(1));
  CHECK_THAT(load(folder.path()).passed_over,
             Contains("folders are not taken for classes, because 'c.png' lies beside 'a': move it"));
  write(folder / "dataset.json", R"({"labels": null})");
  CHECK(load(folder.path()).passed_over.empty());
}

TEST_CASE("npz of images: grey and RGB, with and without labels", "[images]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "samples.npz";
  const at::Tensor pixels = at::arange(2 * 4 * 5 * 3, at::kByte).view({2, 4, 5, 3});
  io::write_npz(path, {{"arr_0", pixels}});
  const Dataset plain = load(path);
  CHECK(at::equal(plain.images, pixels.permute({0, 3, 1, 2})));
  CHECK(plain.images.is_contiguous());
  CHECK(plain.class_names.empty());
  CHECK(plain.name == "samples");
  for (const at::ScalarType dtype : {at::kLong, at::kInt, at::kByte}) {
    io::write_npz(path, {{"arr_0", pixels}, {"arr_1", at::tensor({6, 2}, dtype)}});
    const Dataset data = load(path);
    CHECK(at::equal(data.labels, at::tensor({6, 2}, at::kLong)));
    CHECK(data.class_names.size() == 7);
  }
  CHECK(load_dataset(ImageFilesConfig{.path = path, .labels = false, .limit = {}}).class_names.empty());
  const Dataset one = load_dataset(ImageFilesConfig{.path = path, .labels = true, .limit = 1});
  CHECK(at::equal(one.images, pixels.permute({0, 3, 1, 2}).narrow(0, 0, 1)));
  CHECK(one.labels.numel() == 1);
  CHECK(one.class_names.size() == 7);
  io::write_npz(path, {{"arr_0", pixels.select(3, 1)}});
  CHECK(at::equal(load(path).images, pixels.permute({0, 3, 1, 2}).narrow(1, 1, 1)));
  io::write_npz(path, {{"arr_0", pixels.narrow(3, 0, 1)}});
  CHECK(load(path).images.sizes() == at::IntArrayRef({2, 1, 4, 5}));
  CHECK(load(ONESTEP_GOLDEN "/npz/images_only.npz").images.sizes() == at::IntArrayRef({3, 3, 4, 4}));
  CHECK(load(ONESTEP_GOLDEN "/npz/adm_style_extra_keys.npz").images.size(0) == 3);
}

TEST_CASE("npz of images: what is wrong is named", "[images]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "x.npz";
  const auto wrong = [&](const std::vector<std::pair<std::string, at::Tensor>>& arrays) {
    io::write_npz(path, arrays);
    return problem(path);
  };
  const at::Tensor good = at::zeros({2, 4, 4, 3}, at::kByte);
  CHECK_THAT(wrong({{"arr_1", good}}), Contains("x.npz: holds arrays arr_1; images are read from arr_0"));
  CHECK_THAT(
      wrong({{"arr_0", good.to(at::kFloat)}}),
      Contains("x.npz: array 'arr_0' must be uint8 [N, H, W, C]") && Contains("got Float [2, 4, 4, 3]"));
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{4, 4}, {2, 4, 4, 2}, {2, 3, 4, 4}, {2, 4, 4, 3, 1}})
    CHECK_THAT(wrong({{"arr_0", at::zeros(shape, at::kByte)}}), Contains("array 'arr_0' must be uint8"));
  // One RGB image or grey ones of 3 columns; RGB images of one row, or grey ones with the channel in front.
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{
           {32, 32, 3}, {32, 32, 1}, {5, 1, 28, 1}, {5, 3, 28, 3}, {5, 1, 28, 3}})
    CHECK_THAT(wrong({{"arr_0", at::zeros(shape, at::kByte)}}),
               Contains("array 'arr_0' may be meant in several ways, ["));
  CHECK_THAT(wrong({{"arr_0", good.narrow(0, 0, 0)}}),
             Contains("array 'arr_0' holds no pixels: [0, 4, 4, 3]"));
  CHECK_THAT(wrong({{"arr_0", good.narrow(1, 0, 0)}}), Contains("array 'arr_0' holds no pixels"));
  CHECK_THAT(wrong({{"arr_0", good}, {"arr_1", at::zeros({3}, at::kLong)}}),
             Contains("array 'arr_1' must be integers [2], got Long [3]"));
  CHECK_THAT(wrong({{"arr_0", good}, {"arr_1", at::zeros({2})}}),
             Contains("array 'arr_1' must be integers [2]"));
  CHECK_THAT(wrong({{"arr_0", good}, {"arr_1", at::tensor({3, -1}, at::kLong)}}),
             Contains("array 'arr_1' holds -1 for image"));
  CHECK_THAT(wrong({{"arr_0", good}, {"arr_1", at::tensor({3, 1000000}, at::kLong)}}),
             Contains("array 'arr_1' holds 1000000"));
  io::write_npz(path, {{"arr_0", good}});
  CHECK_THAT(file_error([&] { read_image_files(config_of(path), 100); }), Contains("more than 100 bytes"));
}

TEST_CASE("images: what is passed over is counted and told, with a cure", "[images]") {
  const TemporaryFolder folder, elsewhere;
  write(folder / "a/0.png", png(0));
  CHECK(load(folder.path()).passed_over.empty());
  for (const char* other : {"x.webp", "y.WEBP", "z.tif", "README", ".hidden"}) write(folder / other, "x");
  write(folder / "a/dataset.json", "{}");
  write(elsewhere / "dogs/1.png", png(1));
  fs::create_directory_symlink(elsewhere / "dogs", folder / "dogs");
  const Dataset data = load(folder.path());
  CHECK(values(data) == std::vector<int64_t>{0});
  CHECK_THAT(data.passed_over,
             Contains("6 files and 1 folder passed over (1 without suffix, 1 .tif, 2 .webp, 1 hidden, "
                      "a/dataset.json, linked folder dogs)") &&
                 Contains("or convert them first: onestep-data IN OUT.zip") && Contains("at the top alone") &&
                 Contains("not followed"));
  write(folder / "b/1.png", png(1));
  CHECK(load(folder.path()).class_names == std::vector<std::string>{"a", "b"});

  io::write_zip(folder / "x.zip", {{"0.png", png(0)}, {"1.gif", "GIF89a"}});
  CHECK_THAT(load(folder / "x.zip").passed_over, Contains("1 file passed over (1 .gif)"));
  io::write_zip(folder / "y.zip", {{"1.gif", "GIF89a"}});
  CHECK_THAT(problem(folder / "y.zip"), Contains("holds no images") && Contains("1 .gif"));
  io::write_npz(folder / "a.npz", {{"arr_0", at::zeros({1, 2, 2, 3}, at::kByte)}, {"more", at::zeros({1})}});
  CHECK_THAT(load(folder / "a.npz").passed_over, Contains("more"));
}

TEST_CASE("images: our own sheets and run folders are no data", "[images]") {
  const TemporaryFolder folder;
  write(folder / "000000.png", io::encode_png(image_of(1), {{"onestep", R"({"seed": 0, "model": "m"})"}}));
  write(folder / "grid.png", io::encode_png(image_of(2, 3, 9, 9), {{"onestep", R"({"seeds": "0-3"})"}}));
  write(folder / "a.png", io::encode_png(image_of(3), {{"Software", "other"}}));
  write(folder / "samples.json", "{}");
  write(folder / "run/config.yaml", "run: {}");
  write(folder / "run/log.jsonl", "");
  write(folder / "run/samples/000000000016.png", png(4));
  const Dataset data = load(folder.path());
  CHECK(values(data) == std::vector<int64_t>{1, 3});
  CHECK_THAT(data.passed_over, Contains("1 file and 1 folder passed over (sheet grid.png, run folder run)"));
}

TEST_CASE("images: a refusal says what the file is instead, and which image a label is of", "[images]") {
  const TemporaryFolder folder;
  write(folder / "lfs.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n");
  CHECK_THAT(problem(folder / "lfs.bin"), Contains("git lfs pull"));
  io::write_npz(folder / "named.npz", {{"images", at::zeros({1, 2, 2, 3}, at::kByte)}});
  CHECK_THAT(problem(folder / "named.npz"), Contains("holds arrays images; images are read from arr_0"));
  io::write_zip(folder / "D.ZIP", {{"0.png", png(5)}});
  CHECK(values(load(folder / "D.ZIP")) == std::vector<int64_t>{5});
  io::write_npz(folder / "l.npz", {{"arr_0", at::zeros({3, 2, 2, 3}, at::kByte)},
                                   {"arr_1", at::tensor({0, -2, 1}, at::kLong)}});
  CHECK_THAT(problem(folder / "l.npz"), Contains("'arr_1' holds -2 for image 1, counted from 0"));
}
