#include "tests/postgres/ledger.h"

#include <fractal/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace fractal::testing {
namespace {

using Answer = Attempt::Answer;

std::string token_in(std::string_view payload) {
  constexpr std::string_view member = R"("token":")";
  const auto at = payload.find(member);
  if (at == payload.npos) return {};
  const auto begin = at + member.size();
  return std::string(payload.substr(begin, payload.find('"', begin) - begin));
}

std::string name_of_link(std::string_view action, const Coordinate& from, std::string_view type, const Coordinate& to) {
  return fmt::format("{} {} -{}-> {}", action, from, type, to);
}

struct NameOfEntry {
  std::string operator()(const Batch::Store& entry) const {
    return fmt::format("store {} {}", entry.memory.coordinate, token_in(entry.memory.payload));
  }
  std::string operator()(const Batch::Update& entry) const {
    return fmt::format("store {} {}", entry.coordinate, token_in(entry.patch.payload.value_or("")));
  }
  std::string operator()(const Batch::Remove& entry) const { return fmt::format("remove {}", entry.coordinate); }
  std::string operator()(const Batch::Link& entry) const {
    return name_of_link("link", entry.link.from, entry.link.type, entry.link.to);
  }
  std::string operator()(const Batch::Unlink& entry) const {
    return name_of_link("unlink", entry.from, entry.type, entry.to);
  }
  std::string operator()(const auto&) const { return "not of this test"; }
};

// One space at the end, and its attempts.
class Settlement {
 public:
  Settlement(const FractalMemory& memory, const std::vector<Attempt>& attempts)
      : memory_(memory), attempts_(attempts) {}

  std::vector<std::string> differences() {
    read_log();
    settle_acknowledged();
    settle_unknown();
    settle_refused();
    for (std::size_t at = 0; at < log_.size(); ++at) {
      if (!taken_[at]) differ("change {} is of nobody: {}", at + 1, name_of_change(log_[at]));
    }
    compare_versions();
    compare_rows();
    compare_changes();
    return std::move(differences_);
  }

 private:
  template <class... Args> void differ(fmt::format_string<Args...> format, Args&&... args) {
    const Space& space = memory_.space();
    differences_.push_back(fmt::format("{}/{}: ", space.tenant, space.name) +
                           fmt::format(format, std::forward<Args>(args)...));
  }

  void read_log() {
    for (std::uint64_t before = 0;;) {
      const auto page = memory_.audit(1000, before).value();
      log_.insert(log_.end(), page.begin(), page.end());
      if (page.size() < 1000) break;
      before = page.back().number;
    }
    std::reverse(log_.begin(), log_.end());
    taken_.assign(log_.size(), false);
    for (std::size_t at = 0; at < log_.size(); ++at) by_name_[name_of_change(log_[at])].push_back(at);
    const std::uint64_t sequence = memory_.stats().value().sequence;
    if (sequence != log_.size()) differ("{} changes in the log, the sequence is {}", log_.size(), sequence);
  }

  // The place of an acknowledged change is known.
  void settle_acknowledged() {
    for (const Attempt& attempt : attempts_) {
      if (attempt.answer != Answer::acknowledged) continue;
      const std::uint64_t sequence = attempt.written.sequence;
      if (sequence == 0) {
        if (!attempt.may_be_none) differ("{} was acknowledged without a sequence", attempt.what);
        continue;
      }
      if (sequence > log_.size()) {
        differ("{} was acknowledged as change {} of {}", attempt.what, sequence, log_.size());
        continue;
      }
      const std::size_t at = sequence - 1;
      if (const std::string there = name_of_change(log_[at]); there != attempt.what || taken_[at]) {
        differ("{} was acknowledged as change {}, which is {}", attempt.what, sequence, there);
      } else if (attempt.written.version != 0 && attempt.written.version != log_[at].version) {
        differ("{} was acknowledged as version {}, and is {}", attempt.what, attempt.written.version, log_[at].version);
      }
      taken_[at] = true;
    }
  }

  std::optional<std::size_t> take(const std::string& name) {
    for (const std::size_t at : by_name_[name]) {
      if (taken_[at]) continue;
      taken_[at] = true;
      return at;
    }
    return std::nullopt;
  }

  // A batch at a time: all of its changes follow each other, or none is there.
  void settle_unknown() {
    for (std::size_t begin = 0; begin < attempts_.size();) {
      std::size_t end = begin;
      while (end < attempts_.size() && attempts_[end].batch == attempts_[begin].batch) ++end;
      if (attempts_[begin].answer == Answer::unknown) settle_unknown_batch(begin, end);
      begin = end;
    }
  }

  void settle_unknown_batch(std::size_t begin, std::size_t end) {
    std::size_t wanted = 0;
    std::vector<std::size_t> found;
    for (std::size_t i = begin; i < end; ++i) {
      if (attempts_[i].may_be_none) continue;
      ++wanted;
      if (const auto at = take(attempts_[i].what)) found.push_back(*at);
    }
    if (!found.empty() && found.size() < wanted) {
      differ("{} of the {} changes of a batch are there: {}", found.size(), wanted, attempts_[begin].what);
    }
    for (std::size_t i = 1; i < found.size(); ++i) {
      if (found[i] != found[i - 1] + 1) differ("the changes of a batch are apart: {}", attempts_[begin].what);
    }
    // Those that need not be there, beside the others or, if there are no others, anywhere.
    if (wanted != 0 && found.empty()) return;
    for (std::size_t i = begin; i < end; ++i) {
      if (attempts_[i].may_be_none) take(attempts_[i].what);
    }
  }

  void settle_refused() {
    for (const Attempt& attempt : attempts_) {
      if (attempt.answer != Answer::refused || attempt.may_be_none) continue;
      if (by_name_.contains(attempt.what)) differ("{} was refused and is there", attempt.what);
    }
  }

  void compare_versions() {
    std::map<std::string, std::uint64_t> versions;
    for (const AuditRecord& record : log_) {
      if (record.action == "delete") {
        if (versions[record.subject] != record.version) differ("{} was removed as another version", record.subject);
        versions.erase(record.subject);
      } else if (record.action == "create" || record.action == "update") {
        if (const auto next = ++versions[record.subject]; record.version != next) {
          differ("{} has version {} after {}", record.subject, record.version, next - 1);
        }
      }
    }
  }

  // The last record of each memory, or nothing after its removal.
  void compare_rows() {
    std::map<std::string, const AuditRecord*> last;
    std::set<std::string> links;
    for (const AuditRecord& record : log_) {
      if (record.action == "delete") last.erase(record.subject);
      if (record.action == "create" || record.action == "update") last[record.subject] = &record;
      if (record.action == "link") links.insert(record.subject);
      if (record.action == "unlink") links.erase(record.subject);
    }
    const auto stats = memory_.stats().value();
    if (stats.memories != last.size()) differ("{} memories of {}", stats.memories, last.size());
    if (stats.links != links.size()) differ("{} links of {}", stats.links, links.size());
    for (const auto& [subject, record] : last) {
      const auto row = memory_.retrieve(Coordinate::parse(subject).value());
      if (!row) {
        differ("{} is lost: {}", subject, row.error().message);
      } else if (row->payload != record->payload || row->version != record->version) {
        differ("{} is {} in version {}, not {} in version {}", subject, row->payload, row->version, record->payload,
               record->version);
      }
    }
  }

  // changes() has what goes once, and of what is there the last change: nothing else, and nothing is missing.
  void compare_changes() {
    std::set<std::uint64_t> expected;
    std::map<std::string, std::uint64_t> last;
    for (std::size_t at = 0; at < log_.size(); ++at) {
      const AuditRecord& record = log_[at];
      if (record.action == "delete" || record.action == "unlink") {
        last.erase(record.subject);
        expected.insert(at + 1);
      } else {
        last[record.subject] = at + 1;
      }
    }
    for (const auto& [subject, sequence] : last) expected.insert(sequence);
    std::uint64_t after = 0;
    for (const auto& change : memory_.changes(0, limits::page).value()) {
      if (change.sequence <= after) differ("change {} comes after {}", change.sequence, after);
      after = change.sequence;
      if (expected.erase(after) == 0) differ("change {} is told, and is not the last of its row", after);
    }
    for (const std::uint64_t sequence : expected) differ("change {} is not told", sequence);
  }

  const FractalMemory& memory_;
  const std::vector<Attempt>& attempts_;
  std::vector<AuditRecord> log_{};  // oldest first
  std::vector<bool> taken_{};       // whose attempt is known
  std::map<std::string, std::vector<std::size_t>> by_name_{};
  std::vector<std::string> differences_{};
};

}  // namespace

std::string name_of_change(const Batch::Entry& entry) { return std::visit(NameOfEntry{}, entry); }

std::string name_of_change(const AuditRecord& record) {
  if (record.action == "link" || record.action == "unlink") return fmt::format("{} {}", record.action, record.subject);
  if (record.action == "delete") return fmt::format("remove {}", record.subject);
  return fmt::format("store {} {}", record.subject, token_in(record.payload));
}

Ledger::OfSpace& Ledger::of(const Space& space) {
  const auto found = std::find_if(spaces_.begin(), spaces_.end(), [&](const auto& one) { return one.space == space; });
  if (found != spaces_.end()) return *found;
  return spaces_.emplace_back(OfSpace{space, {}});
}

void Ledger::note(const Space& space, const Batch& batch, const Result<Applied>& answer) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = ++batches_;
  Attempt attempt{.answer = Answer::acknowledged, .batch = number};
  if (!answer) {
    const Errc code = answer.error().code;
    attempt.answer = code == Errc::unavailable ? Answer::unknown : Answer::refused;
    if (code != Errc::unavailable && code != Errc::conflict && code != Errc::not_found) {
      wrong_answers_.push_back(fmt::format("{}: {}", to_string(code), answer.error().message));
    }
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Entry& entry = batch.entries()[i];
    attempt.what = name_of_change(entry);
    attempt.written = answer ? answer->written[i] : Written{};
    attempt.may_be_none = std::holds_alternative<Batch::Remove>(entry) || std::holds_alternative<Batch::Unlink>(entry);
    of(space).attempts.push_back(attempt);
  }
}

Ledger::Counts Ledger::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts;
  for (const OfSpace& one : spaces_) {
    for (const Attempt& attempt : one.attempts) {
      if (attempt.answer == Answer::acknowledged) ++counts.acknowledged;
      if (attempt.answer == Answer::refused) ++counts.refused;
      if (attempt.answer == Answer::unknown) ++counts.unknown;
    }
  }
  return counts;
}

std::vector<std::string> Ledger::differences(const FractalMemory& memory) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all = wrong_answers_;
  for (const OfSpace& one : spaces_) {
    const FractalMemory there = memory.in(one.space);
    auto differences = Settlement(there, one.attempts).differences();
    all.insert(all.end(), differences.begin(), differences.end());
  }
  return all;
}

}  // namespace fractal::testing
