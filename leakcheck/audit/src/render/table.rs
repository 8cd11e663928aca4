//! A table in plain text.

/// Which side of its column a cell stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows under a heading, each column as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without a heading where no column has a name.
    pub(crate) fn with_heading<'a>(columns: impl IntoIterator<Item = (Align, &'a str)>) -> Self {
        let (align, heading): (_, Vec<String>) = columns
            .into_iter()
            .map(|(align, name)| (align, name.to_owned()))
            .unzip();
        let rows = if heading.iter().all(String::is_empty) {
            Vec::new()
        } else {
            vec![heading]
        };
        Self { align, rows }
    }

    /// A row has a cell for each column.
    pub(crate) fn row(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    /// The table, indented by two, each line ended.
    pub(crate) fn render(&self) -> String {
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.align.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, &width), align) in row.iter().zip(&widths).zip(&self.align) {
                line.push_str("  ");
                line.push_str(&match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                });
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::with_heading([(Align::Left, "site"), (Align::Right, "tasks")]);
        table.row(["group › manage".to_owned(), "3".to_owned()]);

        assert_eq!(table.render(), "  site            tasks\n  group › manage      3\n");
    }
}
