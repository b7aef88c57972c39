// Invariant: a program whose cases were all filtered away, or never linked in, fails.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

namespace {

bool ran_none = false;

// doctest asks it nothing when it only counts or lists cases, or explains itself.
struct CaseCount : doctest::IReporter {
  explicit CaseCount(const doctest::ContextOptions&) {}
  void test_run_end(const doctest::TestRunStats& run) override { ran_none = run.numTestCasesPassingFilters == 0; }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("case count", 1, CaseCount);

}  // namespace

int main(int count, char** arguments) {
  const int failed = doctest::Context(count, arguments).run();
  if (ran_none)
    std::fprintf(stderr, "%s: no test case was run: none is in it, or none passes the filters\n", *arguments);
  return ran_none ? 1 : failed;
}
