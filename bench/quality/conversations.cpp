// Invariant: every coordinate that a question names as evidence is that of a memory of the task.
#include "task.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <fstream>
#include <functional>
#include <set>
#include <stdexcept>

namespace fractal::quality {
namespace {

void each_line(const std::filesystem::path& file, const std::function<void(const rapidjson::Document&)>& use) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(fmt::format("{}: cannot be read", file.string()));
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    rapidjson::Document document;
    document.Parse(line.data(), line.size());
    if (document.HasParseError() || !document.IsObject()) {
      throw std::runtime_error(fmt::format("{}:{}: no JSON object", file.string(), number));
    }
    use(document);
  }
}

const rapidjson::Value& member(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  if (found == object.MemberEnd()) throw std::runtime_error(fmt::format("member \"{}\" is missing", name));
  return found->value;
}

std::string text_of(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsString() ? found->value.GetString() : "";
}

std::string written(const rapidjson::Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return buffer.GetString();
}

Coordinate coordinate_of(const rapidjson::Value& array) {
  std::vector<double> components;
  for (const auto& component : array.GetArray()) components.push_back(component.GetDouble());
  return Coordinate(std::span<const double>(components));
}

}  // namespace

std::vector<std::string> Task::families() const {
  std::set<std::string> names;
  for (const Question& question : questions) names.insert(question.family);
  return {names.begin(), names.end()};
}

std::vector<std::string> Task::texts() const {
  std::vector<std::string> texts;
  std::set<std::string> seen;
  const auto add = [&](const std::string& text) {
    if (!text.empty() && seen.insert(text).second) texts.push_back(text);
  };
  for (const Entry& entry : entries) add(entry.text);
  for (const Entry& entry : entries) add(entry.context);
  for (const Question& question : questions) add(question.text);
  return texts;
}

std::string make_payload(const std::string& text, const std::string& context) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.StartObject();
  writer.Key("text");
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  if (!context.empty()) {
    writer.Key("context");
    writer.String(context.data(), static_cast<rapidjson::SizeType>(context.size()));
  }
  writer.EndObject();
  return buffer.GetString();
}

Task read_conversations(const std::filesystem::path& folder) {
  Task task;
  task.name = "conversations";
  std::set<Coordinate> known;
  each_line(folder / "memories.jsonl", [&](const rapidjson::Document& line) {
    const auto& payload = member(line, "payload");
    Entry entry{.text = text_of(payload, "text"), .context = text_of(payload, "context")};
    entry.memory.coordinate = coordinate_of(member(line, "coordinate"));
    entry.memory.type = parse_memory_type(text_of(line, "type")).value();
    entry.memory.payload = written(payload);
    known.insert(entry.memory.coordinate);
    task.entries.push_back(std::move(entry));
  });
  each_line(folder / "questions.jsonl", [&](const rapidjson::Document& line) {
    Question question{.family = text_of(line, "family"), .text = text_of(line, "question")};
    if (const auto filter = line.FindMember("filter"); filter != line.MemberEnd()) {
      question.filter = Filter::parse(written(filter->value)).value();
    }
    for (const auto& coordinate : member(line, "evidence").GetArray()) {
      question.evidence.push_back(coordinate_of(coordinate));
      if (!known.contains(question.evidence.back())) {
        throw std::runtime_error(fmt::format("{}: no such evidence", question.text));
      }
    }
    task.questions.push_back(std::move(question));
  });
  return task;
}

}  // namespace fractal::quality
