// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <catch2/catch.hpp>

#include "io/file_size_limit.h"
#include "io/jsonl.h"
#include "temporary_folder.h"

using namespace onestep::io;
using Catch::Contains;
using Json = nlohmann::ordered_json;

TEST_CASE("jsonl: one object a line, in order of its keys, there at once, continued by the next writer") {
  const TemporaryFolder folder;
  {
    JsonLines log(folder / "log.jsonl");
    log.append({{"nimg", 64}, {"loss", 0.5}, {"a", "line\nbreak"}});
    CHECK(read_bytes(folder / "log.jsonl") == "{\"nimg\":64,\"loss\":0.5,\"a\":\"line\\nbreak\"}\n");
    log.append({{"nimg", 128}, {"loss", std::nan("")}});
  }
  JsonLines(folder / "log.jsonl").append({{"nimg", 192}, {"note", "\xff"}});
  const auto objects = read_jsonl(folder / "log.jsonl");
  REQUIRE(objects.size() == 3);
  CHECK(objects[0]["a"] == "line\nbreak");
  CHECK(objects[1]["loss"].is_null());
  CHECK(objects[2]["note"] == "\xef\xbf\xbd");
}

TEST_CASE("jsonl: a run that resumes cuts what lies ahead of it, and a torn last line") {
  const TemporaryFolder folder;
  const std::string kept = "{\"event\":\"start\"}\n{\"nimg\":100}\n{\"nimg\": 200, \"loss\": 1}\n";
  write_bytes(folder / "log", kept + "{\"nimg\":201}\n{\"nimg\":300}\n{\"nimg\":4");
  CHECK(read_jsonl(folder / "log").size() == 5);
  truncate_jsonl(folder / "log", 200);
  CHECK(read_bytes(folder / "log") == kept);
  truncate_jsonl(folder / "log", 200);
  CHECK(read_bytes(folder / "log") == kept);
  truncate_jsonl(folder / "log", 0);
  CHECK(read_bytes(folder / "log") == "{\"event\":\"start\"}\n");
  CHECK(folder.entries() == 1);
  truncate_jsonl(folder / "none", 0);
  CHECK_FALSE(std::filesystem::exists(folder / "none"));
}

TEST_CASE("jsonl: what is unreadable in the middle is left out and counted, and the rest is kept") {
  const TemporaryFolder folder;
  const std::string first = "{\"nimg\":1}\n", second = "{\"nimg\":2}\n", ahead = "{\"nimg\":3}\n";
  for (const std::string bad :
       {"[1]", "{\"a\":", "", "3", "{\"\xff\":1}", "{\"a\":1e999}", "{\"ni{\"nimg\":1}"}) {
    write_bytes(folder / "log", bad + "\n" + first + bad + "\n" + second + ahead + "torn");
    CHECK(read_jsonl(folder / "log").size() == 3);
    CHECK(truncate_jsonl(folder / "log", 2) == 2);
    CHECK(read_bytes(folder / "log") == first + second);
    CHECK(truncate_jsonl(folder / "log", 2) == 0);
  }
  write_bytes(folder / "log", std::string(1000000, '[') + "\n");
  CHECK(read_jsonl(folder / "log").empty());
  CHECK(truncate_jsonl(folder / "log", 2) == 1);
}

TEST_CASE("jsonl: a log that the system refuses is an error, and no empty one") {
  const TemporaryFolder folder;
  CHECK_THAT(file_error([&] { read_jsonl(folder / "none"); }), Contains("No such file"));
  CHECK_THAT(file_error([&] { truncate_jsonl(folder.path(), 1); }), Contains("is not a regular file"));
}

TEST_CASE("jsonl: a full disk is an error and leaves whole lines") {
  const TemporaryFolder folder;
  JsonLines log(folder / "log");
  log.append({{"nimg", 1}});
  {
    const FileSizeLimit full(20);
    CHECK_THAT(file_error([&] {
                 log.append({{"nimg", 2}, {"loss", 0.125}});
               }),
               Contains("cannot be written"));
  }
  CHECK(read_bytes(folder / "log") == "{\"nimg\":1}\n");
  CHECK_THAT(file_error([&] {
               JsonLines("/dev/full").append({{"nimg", 1}});
             }),
             Contains("is not a regular file"));
  CHECK_THAT(file_error([&] { JsonLines((folder / "log") / "x"); }), Contains("Not a directory"));
}
