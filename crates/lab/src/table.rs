//! Tables in plain text: columns two spaces apart, no lines, nothing behind the last one.

use std::fmt;

use comfy_table::{ContentArrangement, presets};

/// A table under a row of column names.
pub struct Table(comfy_table::Table);

impl Table {
    /// No rows yet.
    pub fn new(columns: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        // Wrapped cells cannot be read by `awk`; a terminal wraps the line itself.
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(columns.iter().map(|name| name.to_uppercase()));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self(table)
    }

    /// Cells are shown as they are: the caller escapes data.
    pub fn row(&mut self, cells: &[&str]) {
        self.0.add_row(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self
            .0
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Bytes as people read them: `512 B`, `1.5 MiB`.
// Own code, because `bytesize` shows 1048575 as `1024.0 KiB` and knows units beyond TiB.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while value >= 1_023.95 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["a", "name"]);
        table.row(&["1", "x"]);
        table.row(&["333", ""]);
        table.row(&["", "山田"]);
        assert_eq!(table.to_string(), "A    NAME\n1    x\n333\n     山田");
    }

    #[test]
    fn bytes_have_one_decimal_and_a_unit() {
        for (number, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (9_000 << 40, "9000.0 TiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
