// Invariant: every message exists in every language, with the same places for values.
#include "src/server/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>

namespace fractal::server {
namespace {

struct Message {
  Say what;
  std::string_view english, spanish;
};

constexpr std::array catalogue{
    Message{Say::cannot_parse_body, "Cannot parse request body", "No se puede leer el cuerpo de la petición"},
    Message{Say::coordinate_empty, "Coordinate cannot be empty", "La coordenada no puede estar vacía"},
    Message{Say::coordinate_format, "Invalid coordinate format: {}", "Formato de coordenada no válido: {}"},
    Message{Say::unauthorized, "Unauthorized", "No autorizado"},
    Message{Say::missing_authorization, "Missing Authorization header", "Falta la cabecera Authorization"},
    Message{Say::invalid_token, "Invalid API token", "Token de API no válido"},
    Message{Say::permission_denied, "Permission denied", "Permiso denegado"},
    Message{Say::memory_not_found, "Memory not found", "Memoria no encontrada"},
    Message{Say::not_found, "Not found", "No encontrado"},
    Message{Say::method_not_allowed, "Method not allowed", "Método no permitido"},
    Message{Say::body_too_large, "Request body is larger than {} bytes",
            "El cuerpo de la petición supera los {} bytes"},
    Message{Say::header_too_large, "Request headers are larger than {} bytes",
            "Las cabeceras de la petición superan los {} bytes"},
    Message{Say::bad_request, "Malformed HTTP request", "Petición HTTP mal formada"},
    Message{Say::conflict, "Conflict: {}", "Conflicto: {}"},
    Message{Say::unavailable, "The memory is busy, try again", "La memoria está ocupada, inténtelo de nuevo"},
    Message{Say::internal, "An unexpected error occurred in FractalMemory",
            "Se produjo un error inesperado en FractalMemory"},
    Message{Say::unhealthy, "System backend is unhealthy", "El almacenamiento no funciona correctamente"},
    Message{Say::rate_limited, "Rate limit exceeded", "Se ha superado el límite de peticiones"},
    Message{Say::changes_forgotten, "Changes after {} are forgotten: read everything again",
            "Los cambios posteriores a {} se han olvidado: vuelva a leerlo todo"},
    Message{Say::field_required, "Field required", "Campo obligatorio"},
    Message{Say::valid_string, "Input should be a valid string", "El valor debe ser un texto"},
    Message{Say::valid_dictionary, "Input should be a valid dictionary", "El valor debe ser un objeto"},
    Message{Say::valid_list, "Input should be a valid list", "El valor debe ser una lista"},
    Message{Say::valid_choice, "Input should be {}", "El valor debe ser {}"},
    Message{Say::valid_model, "Input should be a valid dictionary or instance of {}",
            "El valor debe ser un objeto o una instancia de {}"},
    Message{Say::valid_integer, "Input should be a valid integer", "El valor debe ser un entero"},
    Message{Say::integer_parsing, "Input should be a valid integer, unable to parse string as an integer",
            "El valor debe ser un entero, el texto no se puede leer como entero"},
    Message{Say::integer_from_float, "Input should be a valid integer, got a number with a fractional part",
            "El valor debe ser un entero, el número tiene decimales"},
    Message{Say::valid_number, "Input should be a valid number", "El valor debe ser un número"},
    Message{Say::number_parsing, "Input should be a valid number, unable to parse string as a number",
            "El valor debe ser un número, el texto no se puede leer como número"},
    Message{Say::valid_boolean, "Input should be a valid boolean", "El valor debe ser verdadero o falso"},
    Message{Say::boolean_parsing, "Input should be a valid boolean, unable to interpret input",
            "El valor debe ser verdadero o falso, no se puede interpretar"},
    Message{Say::greater_equal, "Input should be greater than or equal to {}", "El valor debe ser al menos {}"},
    Message{Say::less_equal, "Input should be less than or equal to {}", "El valor debe ser como máximo {}"},
    Message{Say::string_too_long, "String should have at most {} characters",
            "El texto debe tener como máximo {} caracteres"},
    Message{Say::list_too_long, "List should have at most {} items", "La lista debe tener como máximo {} elementos"},
    Message{Say::finite_number, "Input should be a finite number", "El valor debe ser un número finito"},
    Message{Say::unicode_string, "Input should be a valid string, unable to parse raw data as a unicode string",
            "El valor debe ser un texto Unicode, sin NUL ni sustitutos sueltos"},
    Message{Say::too_deep, "Input should be nested at most {} levels deep",
            "El valor debe tener como máximo {} niveles de anidamiento"},
    Message{Say::invalid_json, "Invalid JSON", "JSON no válido"},
    Message{Say::value_error, "Value error, {}", "Valor no válido: {}"},
};

constexpr bool complete() {
  for (std::size_t i = 0; i < catalogue.size(); ++i) {
    if (static_cast<std::size_t>(catalogue[i].what) != i) return false;
  }
  return catalogue.size() == static_cast<std::size_t>(Say::value_error) + 1;
}
static_assert(complete(), "in the order of Say, each once");

// "q=0.8" -> 0.8; 1 if there is none.
double quality_of(std::string_view parameters) {
  const auto at = parameters.find("q=");
  double quality = 1;
  if (at != std::string_view::npos) {
    std::from_chars(parameters.data() + at + 2, parameters.data() + parameters.size(), quality);
  }
  return quality;
}

}  // namespace

bool same_letters(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

Language language_of(std::string_view accept_language) {
  Language best = Language::english;
  double best_quality = 0;
  while (!accept_language.empty()) {
    const auto comma = accept_language.find(',');
    const std::string_view range = accept_language.substr(0, comma);
    accept_language.remove_prefix(comma == std::string_view::npos ? accept_language.size() : comma + 1);
    const auto semicolon = range.find(';');
    const double quality = semicolon == std::string_view::npos ? 1 : quality_of(range.substr(semicolon));
    const std::string_view tag = trimmed(range.substr(0, semicolon));
    const std::string_view primary = tag.substr(0, tag.find('-'));
    const bool spanish = same_letters(primary, "es");
    if (quality <= best_quality || (!spanish && primary != "*" && !same_letters(primary, "en"))) continue;
    best = spanish ? Language::spanish : Language::english;
    best_quality = quality;
  }
  return best;
}

std::string_view code_of(Language language) { return language == Language::spanish ? "es" : "en"; }

std::string say(Say what, Language language, std::string_view value) {
  const Message& message = catalogue[static_cast<std::size_t>(what)];
  return fmt::format(fmt::runtime(language == Language::spanish ? message.spanish : message.english), value);
}

}  // namespace fractal::server
