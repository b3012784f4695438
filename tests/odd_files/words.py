"""Names of columns and classes in five languages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What people call columns and classes.

    Attributes:
        time, label, person, recording, machine, temperature, humidity, pressure, consumption: columns.
        motion: beginning of the names of three axes.
        classes: of motion.
        states: of a room.
        yes, no: answers, and the column that holds them.
    """

    time: str
    label: str
    person: str
    recording: str
    machine: str
    temperature: str
    humidity: str
    pressure: str
    consumption: str
    motion: str
    classes: tuple[str, ...]
    states: tuple[str, ...]
    answers: tuple[str, str]
    alarm: str

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of an accelerometer."""
        return tuple(f"{self.motion}_{axis}" for axis in "xyz")


WORDS = (
    Words("time", "label", "subject", "recording", "machine", "temperature", "humidity", "pressure", "consumption",
          "acc", ("walk", "run", "rest", "stairs"), ("empty room", "occupied", "aired"), ("no", "yes"), "alarm"),
    Words("Zeit", "Klasse", "Proband", "Aufnahme", "Maschine", "Temperatur", "Feuchte", "Druck", "Verbrauch",
          "Beschleunigung", ("gehen", "laufen", "ruhen", "Treppe"), ("leer", "belegt", "gelüftet"), ("nein", "ja"),
          "Ausfall"),
    Words("tiempo", "etiqueta", "sujeto", "grabacion", "maquina", "temperatura", "humedad", "presion", "consumo",
          "aceleracion", ("caminar", "correr", "reposo", "escalera"), ("vacía", "ocupada", "aireada"), ("no", "sí"),
          "alarma"),
    Words("temps", "classe", "sujet", "enregistrement", "machine", "température", "humidité", "pression",
          "consommation", "accélération", ("marche", "course", "repos", "escalier"), ("vide", "occupée", "aérée"),
          ("non", "oui"), "panne"),
    Words("tempo", "etichetta", "soggetto", "registrazione", "macchina", "temperatura", "umidità", "pressione",
          "consumo", "accelerazione", ("cammina", "corre", "riposo", "scale"), ("vuota", "occupata", "arieggiata"),
          ("no", "sì"), "guasto"),
)  # fmt: skip
