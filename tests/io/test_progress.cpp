// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <vector>

#include <catch2/catch.hpp>

#include "io/log.h"
#include "io/progress.h"

using namespace onestep::io;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

namespace {

/// A clock that the test sets and a list of what was written.
struct Screen {
  double time = 100.0;
  std::vector<std::string> writes;
  ProgressOutput output(bool terminal, size_t width = 120) {
    return {[this](std::string_view text) { writes.emplace_back(text); }, [this] { return time; },
            [width] { return width; }, terminal};
  }
};

}  // namespace

TEST_CASE("format_duration") {
  struct Case {
    double seconds;
    const char* expected;
  };
  for (const auto& [seconds, expected] :
       {Case{0, "0:00"}, Case{0.49, "0:00"}, Case{0.5, "0:01"}, Case{42, "0:42"}, Case{59.5, "1:00"},
        Case{725, "12:05"}, Case{3599.4, "59:59"}, Case{3599.5, "1:00:00"}, Case{11229, "3:07:09"},
        Case{86400, "1 d 00:00:00"}, Case{184029, "2 d 03:07:09"}, Case{-1, "?"},
        Case{std::numeric_limits<double>::quiet_NaN(), "?"},
        Case{std::numeric_limits<double>::infinity(), "?"}, Case{1e300, "?"}})
    CHECK(format_duration(seconds) == expected);
}

TEST_CASE("format_count") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(123456) == "123,456");
  CHECK(format_count(1234567) == "1,234,567");
  CHECK(format_count(-123) == "-123");
  CHECK(format_count(-1234) == "-1,234");
}

TEST_CASE("progress: the bar's line") {
  const ProgressState state{"train", 4500, 10000, 1234.4, 3.0, false, "loss 0.43"};
  CHECK(progress_bar(state, 200) ==
        "train  [##########..............]   45%  1,234 images/s  ETA 0:04  loss 0.43");
  CHECK(progress_line(state) == "train   45%  4,500 of 10,000 images  1,234 images/s  ETA 0:04  loss 0.43");
}

TEST_CASE("progress: a narrow terminal shrinks the bar, loses it, then the status; no character is halved") {
  ProgressState state{"train", 4500, 10000, 1234.4, 3.0, false, "loss 0.43"};
  const std::string bare = "train   45%  1,234 images/s  ETA 0:04  loss 0.43";
  const size_t whole = progress_bar(state, 200).size();
  CHECK(whole == bare.size() + 4 + 24);
  for (size_t width = bare.size() + 4 + 8; width <= whole; ++width) {
    const std::string line = progress_bar(state, width);
    CHECK(line.size() == width);
    CHECK_THAT(line, Contains("[###") && EndsWith("loss 0.43"));
  }
  CHECK(progress_bar(state, bare.size() + 4 + 7) == bare);
  CHECK(progress_bar(state, bare.size()) == bare);
  CHECK(progress_bar(state, bare.size() - 4) == bare.substr(0, bare.size() - 4));
  CHECK(progress_bar(state, 10) == "train   45");
  CHECK(progress_bar(state, 0).empty());
  state.status = "σσσ";
  CHECK_THAT(progress_bar(state, 43), EndsWith("0:04  σσσ"));
  CHECK_THAT(progress_bar(state, 42), EndsWith("0:04  σσσ"));
  CHECK_THAT(progress_bar(state, 41), EndsWith("0:04  σσ"));
}

TEST_CASE("progress: odd states have a line too") {
  CHECK_THAT(progress_bar({"t", 0, 0}, 100), Contains("[########################]  100%"));
  CHECK_THAT(progress_bar({"t", 20, 10}, 100), Contains("100%"));
  CHECK_THAT(progress_bar({"t", -1, 10}, 100), Contains("  0%"));
  CHECK_THAT(progress_bar({"t", 9999, 10000}, 100), Contains(" 99%"));  // 100% is for what is done
  CHECK_THAT(progress_bar({"t", 1, 10}, 100), Contains("? images/s  ETA ?"));
  CHECK_THAT(progress_bar({"t", 1, 10, 0.25}, 100), Contains("0.25 images/s  ETA 0:36"));
  CHECK_THAT(progress_bar({"t", 1, 10, 1e300}, 200), Contains("ETA 0:00"));
}

TEST_CASE("progress: plain lines come every 10 s, and a last one") {
  Screen screen;
  {
    Progress progress("teacher", 4000, 0, screen.output(false));
    for (int i = 1; i <= 30; ++i) {
      screen.time += 1.0;
      progress.update(100 * i, i == 30 ? "" : "loss 0.5");
    }
    screen.time += 5.0;
    progress.update(4000);
    CHECK(screen.writes.size() == 3);
  }
  REQUIRE(screen.writes.size() == 4);
  CHECK(screen.writes[0] == "teacher   25%  1,000 of 4,000 images  100 images/s  ETA 0:30  loss 0.5\n");
  CHECK(screen.writes[3] == "teacher  100%  4,000 of 4,000 images  114 images/s  took 0:35  loss 0.5\n");
}

TEST_CASE("progress: a terminal's line is drawn over, at most 10 times a second, and stays at the end") {
  Screen screen;
  Progress progress("student", 1000, 0, screen.output(true));
  for (int i = 1; i <= 1000; ++i) {
    screen.time += 0.002;
    progress.update(i);
  }
  progress.finish();
  progress.finish();
  progress.update(1);
  CHECK(screen.writes.size() > 15);
  CHECK(screen.writes.size() <= 22);  // 2 s
  for (const std::string& text : screen.writes)
    CHECK_THAT(text, StartsWith("\rstudent") && Contains("\033[K"));
  for (size_t i = 0; i + 1 < screen.writes.size(); ++i) CHECK_THAT(screen.writes[i], !Contains("\n"));
  CHECK_THAT(screen.writes.back(), Contains("100%  500 images/s  took 0:02") && EndsWith("\033[K\n"));
}

TEST_CASE("progress: one column of the terminal stays free") {
  Screen screen;
  Progress progress("student", 1000, 0, screen.output(true, 40));
  screen.time += 1;
  progress.update(10, std::string(100, 'x'));
  CHECK(screen.writes.back().size() == 1 + 39 + 3);  // \r, the text, \033[K
}

TEST_CASE("progress: images done before a resume are no speed") {
  Screen screen;
  Progress progress("train", 2000000, 1000000, screen.output(false));
  screen.time += 10.0;
  progress.update(1000500);
  REQUIRE(screen.writes.size() == 1);
  CHECK_THAT(screen.writes[0], Contains(" 50%  1,000,500 of 2,000,000 images  50 images/s  ETA 5:33:10"));
  progress.finish();
  CHECK_THAT(screen.writes[1], Contains("images  50 images/s  took 0:10"));
}

TEST_CASE("progress: the rate is a recent one, and slow steps have one too") {
  Screen screen;
  Progress progress("train", 1000000, 0, screen.output(false));
  for (int i = 1; i <= 100; ++i) screen.time += 1.0, progress.update(1000 * i);  // 1,000 a second
  for (int i = 1; i <= 40; ++i) screen.time += 1.0, progress.update(100000 + 10 * i);
  CHECK_THAT(screen.writes.back(), Contains(" 10 images/s"));  // not the mean of all
  for (int i = 1; i <= 3; ++i) screen.time += 100.0, progress.update(100400 + 300 * i);
  CHECK_THAT(screen.writes.back(), Contains(" 3 images/s"));
}

TEST_CASE("log: lines go to standard error, braces and all") {
  log_info("{} {0} a line with braces: %s");
  log_warning("a warning");
  log_error("an error");
  SUCCEED();
}
