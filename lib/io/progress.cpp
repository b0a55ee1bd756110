// SPDX-License-Identifier: Apache-2.0
#include "io/progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

#include "config/printable.h"
#include "io/log.h"

namespace onestep::io {
namespace {

constexpr double kBarInterval = 0.1, kLineInterval = 10.0;        // seconds between two drawings
constexpr double kRateWindow = 15.0, kRateSampleInterval = 0.25;  // seconds that the rate looks back
constexpr size_t kMinBar = 8, kMaxBar = 24;                       // columns between the brackets

std::string print(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

double share(const ProgressState& state) {
  if (state.total <= 0) return 1.0;
  return std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0);
}

// Rounded down: 100% means done.
std::string percent(const ProgressState& state) {
  return print("%3.0f%%", std::floor(100.0 * share(state)));
}

std::string rate_and_time(const ProgressState& state) {
  const bool known = std::isfinite(state.rate) && state.rate > 0.0;
  const std::string rate = !known              ? "?"
                           : state.rate < 10.0 ? print("%.2g", state.rate)
                                               : format_count(std::llround(std::min(state.rate, 1e15)));
  const double left =
      known ? static_cast<double>(std::max<int64_t>(state.total - state.done, 0)) / state.rate : NAN;
  return rate + " images/s  " +
         (state.finished ? "took " + format_duration(state.elapsed) : "ETA " + format_duration(left));
}

// In UTF-8, bytes 10xxxxxx continue a character.
bool starts_character(char byte) {
  return (byte & 0xc0) != 0x80;
}

size_t columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string cut(const std::string& text, size_t width) {
  size_t end = 0;
  for (size_t seen = 0; end < text.size(); ++end)
    if (starts_character(text[end]) && ++seen > width) break;
  return text.substr(0, end);
}

std::string with_status(const std::string& line, const ProgressState& state) {
  return state.status.empty() ? line : line + "  " + state.status;
}

}  // namespace

ProgressOutput standard_error() {
  return {
      .write =
          [](std::string_view text) {
            if (logs_errors_only()) return;
            std::fwrite(text.data(), 1, text.size(), stderr), std::fflush(stderr);
          },
      .now =
          [] {
            return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
          },
      .width =
          [] {
            winsize size{};
            const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
            return known ? size_t{size.ws_col} : size_t{80};
          },
      .terminal = ::isatty(STDERR_FILENO) != 0,
  };
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0.0 || seconds > 1e12) return "?";
  const auto all = static_cast<long long>(std::floor(seconds + 0.5));
  const long long days = all / 86400, hours = all / 3600 % 24, minutes = all / 60 % 60, rest = all % 60;
  char text[64];
  if (days > 0)
    std::snprintf(text, sizeof text, "%lld d %02lld:%02lld:%02lld", days, hours, minutes, rest);
  else if (hours > 0)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", hours, minutes, rest);
  else
    std::snprintf(text, sizeof text, "%lld:%02lld", minutes, rest);
  return text;
}

std::string format_count(int64_t count) {
  std::string text = std::to_string(count);
  const int first = count < 0 ? 1 : 0;
  for (int i = static_cast<int>(text.size()) - 3; i > first; i -= 3)
    text.insert(static_cast<size_t>(i), 1, ',');
  return text;
}

std::string progress_bar(const ProgressState& state, size_t width) {
  const std::string rest = with_status("  " + percent(state) + "  " + rate_and_time(state), state);
  const size_t taken = columns(state.title + "  []" + rest),
               room = std::min(width - std::min(width, taken), kMaxBar);
  const auto filled = static_cast<size_t>(share(state) * static_cast<double>(room));
  const std::string bar = "  [" + std::string(filled, '#') + std::string(room - filled, '.') + "]";
  return cut(state.title + (room >= kMinBar ? bar : "") + rest, width);
}

std::string progress_line(const ProgressState& state) {
  const std::string counts = format_count(state.done) + " of " + format_count(state.total) + " images";
  return with_status(state.title + "  " + percent(state) + "  " + counts + "  " + rate_and_time(state),
                     state);
}

Progress::Progress(std::string title, int64_t total, int64_t done, ProgressOutput output)
    : output_(std::move(output)), done_at_start_(done), started_(output_.now()) {
  state_.title = config::printable(title);
  state_.total = total;
  state_.done = done;
  recent_.emplace_back(started_, done);
  if (output_.terminal)
    draw();
  else
    drawn_ = started_;  // the first plain line comes when there is something to tell
}

Progress::~Progress() {
  try {
    finish();
  } catch (...) {  // a lost line of progress is no reason to end the program
  }
}

void Progress::update(int64_t done, std::string_view status) {
  if (state_.finished) return;
  const double now = output_.now();
  state_.done = done;
  state_.elapsed = now - started_;
  if (!status.empty()) state_.status = status;
  // Two samples always stay, so that a step longer than the window still has a rate.
  while (recent_.size() > 1 && now - recent_[1].first >= kRateWindow) recent_.pop_front();
  const auto [then, done_then] = recent_.front();
  if (now > then) state_.rate = static_cast<double>(done - done_then) / (now - then);
  if (now - recent_.back().first >= kRateSampleInterval) recent_.emplace_back(now, done);
  if (now - drawn_ >= (output_.terminal ? kBarInterval : kLineInterval)) draw();
}

void Progress::finish() {
  if (state_.finished) return;
  state_.finished = true;
  state_.elapsed = output_.now() - started_;
  // The last line tells the mean speed of this run.
  if (state_.elapsed > 0.0) state_.rate = static_cast<double>(state_.done - done_at_start_) / state_.elapsed;
  draw();
}

void Progress::draw() {
  drawn_ = output_.now();
  if (!output_.terminal) return output_.write(progress_line(state_) + "\n");
  // One column stays free: some terminals wrap when the last one is written.
  const size_t width = std::max<size_t>(output_.width(), 2) - 1;
  output_.write("\r" + progress_bar(state_, width) + "\033[K" + (state_.finished ? "\n" : ""));
}

}  // namespace onestep::io
